import type { Writable } from "node:stream";

/** What a command gets from the process; `main.ts` is the only file that touches the process itself. */
export interface CommandContext {
  /** What stands after the command's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Aborts at the first SIGINT or SIGTERM. */
  readonly stop: AbortSignal;
}

/** Runs to its end and gives the process's exit code: 0 fine, 1 any error. */
export type Command = (context: CommandContext) => Promise<number>;
