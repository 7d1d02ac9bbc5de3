// SPDX-License-Identifier: Apache-2.0
import { isExcepted, isLoopback, type ProxyTarget } from "./no_proxy.ts";
import { type ForwardProxy, parseProxyUrl } from "./proxy_url.ts";

/** The variables of the process's environment; tests give their own. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The target of requests, and everything on which the choice of their proxy depends. */
export interface ProxyQuestion {
  readonly target: ProxyTarget;
  /** The exporter's option `proxy_url`; undefined leaves the choice to the environment. */
  readonly option: ForwardProxy | "none" | undefined;
  /**
   * `HTTP_PROXY` for `http://` targets; `HTTPS_PROXY` for everything that goes through a tunnel, also gRPC without TLS.
   */
  readonly variable: "HTTP_PROXY" | "HTTPS_PROXY";
  readonly env: Environment;
}

/**
 * Returns the proxy for a target; undefined for a direct connection. If the option is set, it alone decides. The
 * environment is ignored for targets on the node itself. The upper-case spelling of a variable is preferred to the
 * lower-case one, as in Go. Throws, with a message for the user, if the variable names no proxy that can be used.
 */
export function chooseProxy({ target, option, variable, env }: ProxyQuestion): ForwardProxy | undefined {
  if (option !== undefined) return option === "none" ? undefined : option;
  if (isLoopback(target.host)) return undefined;
  const text = variableIn(env, variable);
  if (text === "" || isExcepted(target, variableIn(env, "NO_PROXY"))) return undefined;
  const proxy = parseProxyUrl(text);
  if (typeof proxy !== "string") return proxy;
  throw new Error(`cannot use the environment's ${variable}: it ${proxy}; or set proxy_url: none`);
}

function variableIn(env: Environment, variable: string): string {
  const upper = env[variable]?.trim() ?? "";
  return upper === "" ? (env[variable.toLowerCase()]?.trim() ?? "") : upper;
}
