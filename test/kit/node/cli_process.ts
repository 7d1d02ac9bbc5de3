// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The agent's program. */
export const MAIN: string = join(import.meta.dirname, "../../../src/main.ts");
/** The program of the simulator, with the commands `simulate` and `demo`. */
export const SIMULATOR_MAIN: string = join(import.meta.dirname, "../../../src/simulator/main.ts");
/** The built program, which a node runs: Node need not strip its types. */
export const BUILT_MAIN: string = join(import.meta.dirname, "../../../dist/main.js");

/** Returns the options of Node that the program asks for in its first line. */
export function nodeFlags(main: string): string[] {
  const [firstLine = ""] = readFileSync(main, "utf8").split("\n", 1);
  return firstLine.split(" ").filter((word) => word.startsWith("--"));
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliProcess {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
  readonly finished: Promise<Finished>;
}

/** Starts `kata-collector` from the checkout as a user would; `main` may be the built one. */
export function startCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  main: string = MAIN,
): CliProcess {
  const child: ChildProcess = spawn(process.execPath, [...nodeFlags(main), main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => {
    stdout += String(chunk);
  });
  child.stderr?.on("data", (chunk) => {
    stderr += String(chunk);
  });
  const finished = once(child, "close").then(
    ([code, signal]) => ({ code, signal, stdout, stderr }) as Finished,
  );
  return {
    pid: child.pid ?? -1,
    stdout: () => stdout,
    stderr: () => stderr,
    kill: (signal) => child.kill(signal),
    finished,
  };
}

/** Runs `kata-collector` to its end. */
export function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return startCli(args, env).finished;
}
