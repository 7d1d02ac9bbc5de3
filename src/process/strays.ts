// SPDX-License-Identifier: Apache-2.0
import { Console } from "node:console";
import { Writable } from "node:stream";
import { format } from "node:util";
import type { StrayLine } from "../reporting/process_log.ts";

/** The part of `process` that tells of warnings and uncaught errors, which otherwise go to stderr as text. */
export interface StraySource {
  on(event: "warning", listener: (warning: Error) => void): unknown;
  on(event: "uncaughtException", listener: (error: unknown, origin: string) => void): unknown;
  removeAllListeners(event: "warning"): unknown;
}

/** Returns a console that passes everything that grpc-js and other libraries write to it to `say`. */
export function consoleInto(say: (line: StrayLine) => void): Console {
  const into = (level: StrayLine["level"]): Writable =>
    new Writable({
      decodeStrings: false,
      write(text, _encoding, done) {
        const detail = String(text).trimEnd();
        say({ level, fields: { detail }, message: "Library writes to the console." });
        done();
      },
    });
  return new Console({ stdout: into("info"), stderr: into("warn") });
}

/**
 * Passes Node's warnings to `say`. Warnings of experimental features are for debugging: an operator can do nothing about
 * them.
 */
export function captureWarnings(source: StraySource, say: (line: StrayLine) => void): void {
  source.removeAllListeners("warning");
  source.on("warning", (warning) => {
    const level = warning.name === "ExperimentalWarning" ? "debug" : "warn";
    const code = "code" in warning ? { code: String(warning.code) } : {};
    const fields = { warning: warning.name, ...code, detail: warning.message };
    say({ level, fields, message: "Node warns." });
  });
}

/**
 * Passes an uncaught error, also of a promise, to `say`, and then calls `end`. The state of the agent is unknown after such an
 * error, so it must end, and its supervisor starts it again.
 */
export function endOnUncaught(source: StraySource, say: (line: StrayLine) => void, end: () => void): void {
  source.on("uncaughtException", (error, origin) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : format(error);
    say({
      level: "error",
      fields: { error: text, origin },
      message: "BUG: error was not caught; the agent ends.",
    });
    end();
  });
}
