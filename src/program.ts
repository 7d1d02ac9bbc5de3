// SPDX-License-Identifier: Apache-2.0

import inspector from "node:inspector";
import { readBuildInfo } from "./build_info.ts";
import type { Command } from "./process/command.ts";
import { isDebuggerAskedFor, remarksOnNode } from "./process/node_remarks.ts";
import { hangups, ignoreSignals, STOP_SIGNALS, stopSignal } from "./process/signals.ts";
import { stoppedOrAfter } from "./process/stopped.ts";
import type { ProcessLog, StrayLine } from "./reporting/process_log.ts";
import { messageOf } from "./text/error_text.ts";
import { visible, visibleLines } from "./text/visible.ts";

interface CommandEntry {
  readonly summary: string;
  /** Whether it runs an agent: SIGHUP means something to it, other than its end, and it says how Node was started. */
  readonly isAgent?: true;
  /** Whether it makes what Kata's runtimes make, with the modes that theirs has: the umask stays as it was. */
  readonly isSimulation?: true;
  load(): Promise<Command>;
}

/** What a program can do. The agent is one program, the simulator of a checkout another. */
export interface Program {
  readonly commands: Readonly<Record<string, CommandEntry>>;
  /** The command that is meant where the arguments begin with an option. */
  readonly defaultCommand?: string;
  /** Where commands are that this program does not have. */
  readonly elsewhere?: Readonly<Record<string, string>>;
}

/** A leaked handle or a reader of the log that does not read must not keep a finished process alive. */
const EXIT_GRACE_MS = 1_000;
/** What the agent makes is its owner's alone, whatever it was started with; what others may see gets a mode of its own. */
const UMASK = 0o077;

function usage({ commands }: Program): string {
  const build = readBuildInfo();
  const width = Math.max(...Object.keys(commands).map((name) => name.length)) + 2;
  const rows = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}${summary}`);
  return [
    build.description,
    "",
    `Usage: ${build.command} <command> [options]`,
    "",
    "Commands:",
    ...rows,
    "",
    "Options:",
    "  --version  print the version",
    "  --help     print this text, or a command's own after the command",
    "",
  ].join("\n");
}

interface Setting {
  readonly opening: Promise<ProcessLog>;
  /** Aborts at the first signal that is to stop the program. */
  readonly stop: AbortSignal;
}

/** Gives the exit code. Throws, in words for the user, where the arguments are wrong. */
async function runCommand(
  program: Program,
  argv: readonly string[],
  { opening, stop }: Setting,
): Promise<number> {
  const [first, ...rest] = argv;
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    process.stdout.write(usage(program));
    return 0;
  }
  if (first === "--version" || first === "-v") {
    const { command, version } = readBuildInfo();
    process.stdout.write(`${command} version ${version}\n`);
    return 0;
  }
  const name = first.startsWith("-") ? (program.defaultCommand ?? first) : first;
  const entry = commandNamed(program, name);
  if (entry.isSimulation !== true) process.umask(UMASK);
  const onHangup = entry.isAgent === true ? hangups(process) : () => {};
  const log = await opening;
  const command = await entry.load();
  const args = name === first ? rest : argv;
  if (!isDebuggerAskedFor(process)) await closeDebugger();
  const { env, execArgv } = process;
  const stdout = { write: (text: string): void => void process.stdout.write(visibleLines(text)) };
  if (entry.isAgent === true) {
    const start = { env, execArgv, debuggerUrl: inspector.url() };
    for (const remark of remarksOnNode(start)) log.say(remark);
  }
  return await command({ args, env, stdout, stderr: log, usage: process, stop, onHangup });
}

function commandNamed({ commands, elsewhere = {} }: Program, name: string): CommandEntry {
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (entry !== undefined) return entry;
  if (Object.hasOwn(elsewhere, name)) throw new Error(`no command "${name}" here; it is ${elsewhere[name]}`);
  throw new Error(`unknown command "${name}"; the commands are ${Object.keys(commands).join(", ")}`);
}

/**
 * Where Node was started without --disable-sigusr1, the signal may have come before this file had a listener for it. Each one
 * that came then opens the debugger once more.
 */
async function closeDebugger(): Promise<void> {
  while (inspector.url() !== undefined) {
    inspector.close();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/**
 * Ends the process now. Where a system call hangs, such as on a file system that does not answer, `process.exit` does not end
 * it: a signal's own effect does, of the one that came, or of the next.
 */
function endAtOnce(stop: AbortSignal): never {
  const mayHang = process.getActiveResourcesInfo().some((name) => name.startsWith("FSReq"));
  for (const signal of STOP_SIGNALS) process.removeAllListeners(signal);
  try {
    if (mayHang && stop.aborted) process.kill(process.pid, stop.reason);
  } catch {
    // The systemd unit forbids the call; systemd ends the process itself then.
  }
  process.exit();
}

/** The log, into which goes all that Node and libraries would write to stderr as text. */
async function openLog(stop: AbortSignal): Promise<ProcessLog> {
  const { STDERR, standardOutput } = await import("./reporting/descriptor.ts");
  const { ProcessLog } = await import("./reporting/process_log.ts");
  const { captureWarnings, consoleInto, endOnUncaught } = await import("./process/strays.ts");
  // Node makes a socket or a foreign pipe non-blocking when it opens it as a stream.
  const opened = new ProcessLog(standardOutput(STDERR, () => void process.stderr));
  const say = (line: StrayLine): void => opened.say(line);
  globalThis.console = consoleInto(say);
  captureWarnings(process, say);
  endOnUncaught(process, say, () => {
    process.exitCode = 1;
    void opened.drain(AbortSignal.timeout(EXIT_GRACE_MS)).then(() => endAtOnce(stop));
  });
  return opened;
}

/** Runs what the arguments ask the program for, and ends the process with its exit code. */
export async function runProgram(program: Program): Promise<void> {
  ignoreSignals(process);
  const stop = stopSignal(process, () => {
    process.exitCode = 1;
    endAtOnce(stop);
  });
  const opening = openLog(stop);
  const fail = (message: string): void => {
    void opening.then((opened) => opened.write(`Error: ${visible(message)}\n`));
    process.exitCode = 1;
  };
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // Whoever reads our output may leave early (`| head`): that is no fault of ours.
    if (error.code !== "EPIPE") fail(`cannot write to stdout: ${error.message}`);
  });
  try {
    const code = await runCommand(program, process.argv.slice(2), { opening, stop });
    if (code !== 0) process.exitCode = code;
  } catch (error) {
    fail(messageOf(error));
  }
  // Whoever reads our output may take their time, such as a pager; a signal ends the wait.
  if (process.stdout.writableLength > 0) {
    const taken = new Promise<void>((resolve) => void process.stdout.write("", () => resolve()));
    await Promise.race([taken, stoppedOrAfter(stop)]);
  }
  const log = await opening;
  setTimeout(() => endAtOnce(stop), EXIT_GRACE_MS).unref();
  await log.drain(AbortSignal.timeout(EXIT_GRACE_MS));
}
