// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync } from "node:fs";
import type { Logger } from "pino";
import { systemClock } from "../../clock/clock.ts";
import { STDERR, STDOUT, standardOutput, writerTo } from "../../reporting/descriptor.ts";
import { LineOutput } from "../../reporting/line_output.ts";

/** One of `output_paths`, to which the exporter writes without the agent's logger. */
export interface DebugOutput {
  write(text: string): void;
  /** Resolves when all lines are written, at the latest when the deadline aborts. */
  close(deadline: AbortSignal): Promise<void>;
}

const STANDARD: ReadonlyMap<string, typeof STDOUT | typeof STDERR> = new Map([
  ["stdout", STDOUT],
  ["/dev/stdout", STDOUT],
  ["stderr", STDERR],
  ["/dev/stderr", STDERR],
]);

const FILE_MODE = 0o600;

/**
 * Opens "stdout", "stderr" or a file. Throws errors of the system, such as ENXIO for a named pipe that nobody reads.
 */
export function openDebugOutput(path: string, logger: Logger): DebugOutput {
  const standardFd = STANDARD.get(path);
  const fd = standardFd ?? openAppending(path);
  const output =
    standardFd === undefined ? new LineOutput(writerTo(fd), systemClock) : standardOutput(standardFd);
  const stopListening = output.listen({
    onLoss: (reason, error) => logger.error({ path, reason, error }, "Debug output fails; lines are lost."),
    onPassing: ({ lines }) => logger.warn({ path, lines }, "Debug output passes again; lines were lost."),
  });
  return {
    write: (text) => output.write(text),
    async close(deadline) {
      await output.drain(deadline);
      stopListening();
      if (standardFd === undefined && output.isIdle) closeSync(fd);
    },
  };
}

function openAppending(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOCTTY } = constants;
  return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, FILE_MODE);
}
