// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";

/** A forward proxy. Its credentials are secret; messages may show `address` only. */
export interface ForwardProxy {
  readonly isTls: boolean;
  /** The host: a name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  /** The proxy as `host:port`, for messages. */
  readonly address: string;
  /** The value of the header `Proxy-Authorization`; undefined if the URL names no user. */
  readonly authorization: string | undefined;
}

const FORMS =
  'must be "http://host:port" or "https://host:port", with "user:password@" before the host if needed';
const DEFAULT_PORT = { "http:": 80, "https:": 443 };

/**
 * Parses a proxy's URL. If it cannot be used, returns a message for the user instead. The message contains nothing of
 * the URL but its scheme, since the rest may be secret.
 */
export function parseProxyUrl(text: string): ForwardProxy | string {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "http" && scheme !== "https")
    return `must begin with "http://" or "https://"; ${scheme} proxies are not supported`;
  // A text without a scheme means http://, as for Go and curl.
  const withScheme = scheme === undefined ? `http://${text}` : text;
  if (!URL.canParse(withScheme)) return FORMS;
  const url = new URL(withScheme);
  if (url.hostname === "") return FORMS;
  const protocol = url.protocol as keyof typeof DEFAULT_PORT; // the scheme was checked above
  const port = url.port === "" ? DEFAULT_PORT[protocol] : Number(url.port);
  return {
    isTls: protocol === "https:",
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    address: `${url.hostname}:${port}`,
    authorization: authorizationOf(url),
  };
}

function authorizationOf({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  return `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString("base64")}`;
}

/** Decodes percent-encoding. Returns a text that is not percent-encoded correctly as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Schema of the option `proxy_url`: a proxy, or "none" for a direct connection whatever the environment says. */
export function proxyUrl(): z.ZodType<ForwardProxy | "none", string> {
  return z
    .string()
    .meta({
      description: 'The proxy to go through, as a URL; "none" for none; HTTPS_PROXY and its kin if left out',
    })
    .transform((text, context) => {
      if (text === "none") return text;
      const proxy = parseProxyUrl(text);
      if (typeof proxy !== "string") return proxy;
      context.addIssue({ code: "custom", message: proxy, input: text });
      return z.NEVER;
    });
}
