// SPDX-License-Identifier: Apache-2.0
import { Console } from "node:console";
import { Writable } from "node:stream";
import { format } from "node:util";
import type { StrayLine } from "../reporting/process_log.ts";

/** The part of `process` by which Node says what would otherwise go to stderr as text. */
export interface StraySource {
  on(event: "warning", listener: (warning: Error) => void): unknown;
  on(event: "uncaughtException", listener: (error: unknown, origin: string) => void): unknown;
  removeAllListeners(event: "warning"): unknown;
}

/** A console that gives to `say` what grpc-js and other libraries write to it, whatever the method. */
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

/** Gives to `say` Node's warnings, in place of the text. What is experimental in Node is no news for whoever runs the agent. */
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
 * Gives to `say` an error that nobody caught, also a promise's, and then calls `end`: nobody knows what state the agent is
 * in then, and whoever started it starts it again.
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
