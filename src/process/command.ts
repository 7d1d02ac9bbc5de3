// SPDX-License-Identifier: Apache-2.0
import type { TextOutput } from "../reporting/logs.ts";
import type { LogOutput } from "../reporting/process_log.ts";
import type { UsageSource } from "../telemetry/process_metrics.ts";

/** What a command gets from the process; `program.ts` is the only file that touches the process itself. */
export interface CommandContext {
  /** What stands after the command's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: TextOutput;
  /** The process's log too, once there is a logger for it. */
  readonly stderr: LogOutput;
  /** What the process has used so far; `process` itself will do. */
  readonly usage: UsageSource;
  /** Aborts at the first SIGINT or SIGTERM. */
  readonly stop: AbortSignal;
  /** Calls the listener at each SIGHUP, which without any ends the process. */
  onHangup(listener: () => void): void;
}

/** Runs to its end and gives the process's exit code: 0 fine, 1 any error. */
export type Command = (context: CommandContext) => Promise<number>;
