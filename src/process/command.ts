// SPDX-License-Identifier: Apache-2.0
import type { TextOutput } from "../reporting/logs.ts";
import type { LogOutput } from "../reporting/process_log.ts";
import type { UsageSource } from "./usage_source.ts";

/** Everything that a command gets from the process. Only `program.ts` touches the process itself. */
export interface CommandContext {
  /** The arguments after the command's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: TextOutput;
  /** Takes text for stderr. The log goes there too, once a logger is attached. */
  readonly stderr: LogOutput;
  /** The CPU time and the memory that the process uses. */
  readonly usage: UsageSource;
  /** Aborts at the first SIGINT or SIGTERM. */
  readonly stop: AbortSignal;
  /** Calls the listener at each SIGHUP. For a command that runs no agent, the signal ends the process instead. */
  onHangup(listener: () => void): void;
}

/**
 * Runs a command to its end. Resolves to the exit code of the process: 0 for success, 1 for an error. `monitor` also has 2, as
 * kata-monitor has, for flags that it cannot parse. Rejects with an error whose message is for the user.
 */
export type Command = (context: CommandContext) => Promise<number>;
