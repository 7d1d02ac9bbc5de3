import type { IncomingMessage } from "node:http";

/** Why a request is refused before anybody looks at what it asks for. */
export interface Refusal {
  readonly status: number;
  /** Without its line end. */
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RequestRules {
  readonly urlBytesMax: number;
}

/** Undefined where the request may be answered. */
export function refusalOf(
  { url = "/", headers }: IncomingMessage,
  { urlBytesMax }: RequestRules,
): Refusal | undefined {
  if (url.length > urlBytesMax) return { status: 414, text: `a URL has at most ${urlBytesMax} bytes` };
  const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;
  return hasBody ? { status: 413, text: "requests have no body here" } : undefined;
}
