// SPDX-License-Identifier: Apache-2.0
import { isExcepted, isLoopback, type ProxyTarget } from "./no_proxy.ts";
import { type ForwardProxy, parseProxyUrl } from "./proxy_url.ts";

/** The process's environment, or what a test has in its place. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ProxyQuestion {
  readonly target: ProxyTarget;
  /** What the exporter's config says; undefined leaves it to the environment. */
  readonly option: ForwardProxy | "none" | undefined;
  /** `HTTP_PROXY` is for plain HTTP only; whatever goes through a tunnel, gRPC in the clear too, asks `HTTPS_PROXY`. */
  readonly variable: "HTTP_PROXY" | "HTTPS_PROXY";
  readonly env: Environment;
}

/**
 * The proxy that a target is reached through; undefined for a direct connection. An option decides alone. The environment
 * never has a say about the node itself, and of a variable's two spellings the upper-case one goes first, as in Go. Throws,
 * with words for the user, where the variable names no proxy that can be used.
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
