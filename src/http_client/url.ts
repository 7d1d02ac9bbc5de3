// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";

/** The parts of a URL to which requests go. */
export interface PushUrl {
  readonly isTls: boolean;
  /** The host: a name, or an address without brackets. For a unix socket, "localhost", for the header Host. */
  readonly host: string;
  readonly port: number;
  /** The path, which begins with a slash; empty for a unix socket, whose URL has the path of the socket there. */
  readonly path: string;
  /** The query with its question mark; empty if the URL has none. */
  readonly query: string;
  /** The path of a unix socket; undefined for TCP. */
  readonly socketPath: string | undefined;
}

const FORMS = 'must be "http://host:port/path", "https://host:port/path" or "unix:///path"';
/** The most bytes of the path of a unix socket: `sun_path` of its address has 108, the last of them NUL. */
const SOCKET_PATH_BYTES_MAX = 107;
const DEFAULT_PORT = { "http:": 80, "https:": 443 };

/** Parses a URL. Returns a text that says why, if requests cannot go to the URL. */
export function parsePushUrl(text: string): PushUrl | string {
  if (text.startsWith("unix:")) return parseSocketUrl(text);
  if (!/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) return FORMS;
  const url = new URL(text);
  if (url.username !== "" || url.password !== "")
    return "must not hold a user or a password; give them in headers, as authorization";
  const protocol = url.protocol as keyof typeof DEFAULT_PORT;
  return {
    isTls: protocol === "https:",
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? DEFAULT_PORT[protocol] : Number(url.port),
    path: url.pathname,
    query: url.search,
    socketPath: undefined,
  };
}

function parseSocketUrl(text: string): PushUrl | string {
  const socketPath = text.replace(/^unix:(\/\/)?/, "");
  if (!socketPath.startsWith("/") || socketPath === "/") return FORMS;
  if (Buffer.byteLength(socketPath) > SOCKET_PATH_BYTES_MAX)
    return `must be the path of a socket, which can have ${SOCKET_PATH_BYTES_MAX} bytes at most`;
  return { isTls: false, host: "localhost", port: 80, path: "", query: "", socketPath };
}

/** Writes the URL as a user would, for messages. The query is left out, because it may contain a secret. */
export function formatUrl({ isTls, host, port, path, socketPath }: PushUrl): string {
  if (socketPath !== undefined) return `unix:${socketPath}`;
  const scheme = isTls ? "https" : "http";
  const isDefault = port === (isTls ? 443 : 80);
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}${isDefault ? "" : `:${port}`}${path}`;
}

/** Returns the URL with `path` added to its own path. */
export function underUrl(url: PushUrl, path: string): PushUrl {
  return { ...url, path: url.path.replace(/\/$/, "") + path };
}

/** Schema of a URL in the forms of `parsePushUrl`. */
export function pushUrl(): z.ZodType<PushUrl, string> {
  return z.string().transform((text, context) => {
    const url = parsePushUrl(text);
    if (typeof url !== "string") return url;
    context.addIssue({ code: "custom", message: url, input: text });
    return z.NEVER;
  });
}
