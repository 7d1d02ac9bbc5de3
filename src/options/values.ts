// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const TERM = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)/y;

/**
 * Parses a duration in the grammar of Go's time.ParseDuration ("1h30m", "1.5s", "0"). Returns milliseconds, or
 * undefined for any other text.
 */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  const negative = text.startsWith("-");
  let totalMs = 0;
  TERM.lastIndex = negative ? 1 : 0;
  let end = TERM.lastIndex;
  for (let term = TERM.exec(text); term !== null; term = TERM.exec(text)) {
    totalMs += Number(term[1]) * (UNIT_MS[term[2] ?? ""] ?? Number.NaN);
    end = TERM.lastIndex;
  }
  if (end !== text.length || end <= (negative ? 1 : 0)) return undefined;
  return negative ? -totalMs : totalMs;
}

/** Writes a duration in its usual short form: 15000 is "15s", 90000 is "1m30s", 200 is "200ms". */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return ms === 0 ? "0s" : `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = (ms % 60_000) / 1_000;
  return `${hours > 0 ? `${hours}h` : ""}${minutes > 0 ? `${minutes}m` : ""}${seconds > 0 ? `${seconds}s` : ""}`;
}

/**
 * The longest delay of a Node timer (2^31 ms), rounded down to whole days. A timer with a longer delay would fire at
 * once.
 */
export const TIMER_MS_MAX: number = 24 * 86_400_000;

const DURATION_TEXT = 'must be a duration such as "15s" or "1m30s"';

/**
 * Schema of a duration in Go's spelling, or the number 0. It gives milliseconds. Unless `maxMs` says
 * otherwise, it is at most the longest delay of a Node timer. Callers give a default with `.prefault("15s")`.
 */
export function duration(limits: { minMs?: number; maxMs?: number } = {}): z.ZodType<number, string | 0> {
  const { minMs = 0, maxMs = TIMER_MS_MAX } = limits;
  const text = z.string().meta({ pattern: "^(0|([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|ms|s|m|h))+$" });
  return z
    .union([text, z.literal(0)], { error: DURATION_TEXT })
    .meta({ description: 'a duration such as "15s", "1m30s" or "200ms"' })
    .transform((input, context) => {
      const ms = parseDuration(String(input));
      if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
      let wanted = DURATION_TEXT;
      if (ms !== undefined) {
        wanted =
          ms < minMs
            ? `must be at least ${formatDuration(minMs)}`
            : `must be at most ${formatDuration(maxMs)}`;
      }
      context.addIssue({ code: "custom", message: wanted, input });
      return z.NEVER;
    });
}

const SIZE = /^([0-9]+(?:\.[0-9]+)?)(B|KiB|MiB|GiB)?$/;
const SIZE_UNIT: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

const SIZE_TEXT = 'must be a size such as 65536, "64KiB" or "4MiB"';

/** Schema of a size: a number of bytes, or a text such as "64KiB", "4MiB" or "1GiB". It gives bytes. */
export function size(limits: { minBytes?: number } = {}): z.ZodType<number, string | number> {
  const { minBytes = 1 } = limits;
  const text = z.string().meta({ pattern: SIZE.source });
  return z
    .union([z.number(), text], { error: SIZE_TEXT })
    .meta({ description: 'a size in bytes: a number, or a text such as "64KiB" or "4MiB"' })
    .transform((input, context) => {
      const match = SIZE.exec(String(input));
      const bytes =
        match === null ? Number.NaN : Number(match[1]) * (SIZE_UNIT[match[2] ?? "B"] ?? Number.NaN);
      if (Number.isInteger(bytes) && bytes >= minBytes) return bytes;
      const message = Number.isInteger(bytes) ? `must be at least ${minBytes} bytes` : SIZE_TEXT;
      context.addIssue({ code: "custom", message, input });
      return z.NEVER;
    });
}

/** Schema of an option of the Collector that this build refuses with a reason, instead of ignoring it. */
export function unsupported(why: string): z.ZodOptional<z.ZodUndefined> {
  return z.undefined({ error: `is not supported; ${why}` }).optional();
}

/** Schema of a text that must not be shown: `print-config` and faults write `[REDACTED]` instead. */
export function secret(): z.ZodType<string, string> {
  return z.string().meta({ secret: true, description: "kept out of logs and printed configs" });
}

/**
 * Marks a schema whose output `print-config` shows instead of the user's input, because the output says more. The
 * schema must accept its own output as input.
 */
export function shownAsParsed<S extends z.ZodType>(schema: S): S {
  return schema.meta({ shown: "parsed" });
}

/** An address to listen at: host and port of TCP, or the path of a unix socket. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * Parses `host:port`, `[::1]:port`, `:port` for all interfaces (host "::"), or `unix:///path`. Returns undefined for
 * any other text.
 */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text.startsWith("unix://")) return text.startsWith("unix:///") ? { path: text.slice(7) } : undefined;
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s/[\]]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return undefined;
  return { host: match[1] ?? (match[2] === "" ? "::" : (match[2] ?? "::")), port };
}

/** Bytes of the longest path of a unix socket: `sun_path` of its address has 108, the last of them NUL. */
const SOCKET_PATH_BYTES_MAX = 107;
const LISTEN_TEXT = 'must be "host:port", ":port" or "unix:///path"';

function listenFault(address: ListenAddress | undefined): string | undefined {
  if (address === undefined) return LISTEN_TEXT;
  if (!("path" in address) || Buffer.byteLength(address.path) <= SOCKET_PATH_BYTES_MAX) return undefined;
  return `must have a path of at most ${SOCKET_PATH_BYTES_MAX} bytes`;
}

/** Schema of an address to listen at, in the forms of `parseListenAddress`. */
export function listenAddress(): z.ZodType<ListenAddress, string> {
  return z
    .string({ error: LISTEN_TEXT })
    .meta({
      description:
        'where to listen: "host:port", ":port" for all interfaces, "localhost:port" for both loopback addresses, or "unix:///path"',
    })
    .transform((text, context) => {
      const address = parseListenAddress(text);
      const message = listenFault(address);
      if (address !== undefined && message === undefined) return address;
      context.addIssue({ code: "custom", message, input: text });
      return z.NEVER;
    });
}
