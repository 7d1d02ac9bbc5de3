// SPDX-License-Identifier: Apache-2.0
import { Writable } from "node:stream";
import { type Logger, pino } from "pino";
import { poll } from "../poll.ts";

export type LogLine = Readonly<Record<string, unknown>>;

/** Makes a logger that records its lines; `lines` grows. */
export function recordedLogger(): { readonly logger: Logger; readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const output = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)) as LogLine);
      done();
    },
  });
  const serializers = { error: pino.stdSerializers.err };
  return { logger: pino({ base: null, timestamp: false, serializers }, output), lines };
}

/** Waits for the first line with this message. */
export function lineOf(lines: readonly LogLine[], message: string): Promise<LogLine> {
  return poll(`the log line "${message}"`, () => lines.find(({ msg }) => msg === message));
}
