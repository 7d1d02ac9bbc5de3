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
  /** Whether the command runs an agent. Then SIGHUP does not end the process, and the log says how Node was started. */
  readonly isAgent?: true;
  /**
   * Whether the command makes the files of Kata's runtimes, with the modes that the runtimes give them. Then the umask
   * is not changed.
   */
  readonly isSimulation?: true;
  load(): Promise<Command>;
}

/** The commands of a program. The agent is one program; the simulator, which only a checkout has, is another. */
export interface Program {
  readonly commands: Readonly<Record<string, CommandEntry>>;
  /** The command that runs if the arguments begin with an option. */
  readonly defaultCommand?: string;
  /** Where to find commands that this program does not have. */
  readonly elsewhere?: Readonly<Record<string, string>>;
}

/**
 * How many milliseconds a finished process waits for its log to be read. After that it ends, even if a handle was
 * leaked.
 */
const EXIT_GRACE_MS = 1_000;
/**
 * Files that the agent makes are accessible to their owner only, whatever umask the process was started with. Files for
 * others get their modes explicitly.
 */
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
  /** Aborts at the first signal that stops the program. */
  readonly stop: AbortSignal;
}

/** Runs the command and returns the exit code. Throws, in words for the user, if the arguments are wrong. */
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
 * Closes the debugger. If Node was started without --disable-sigusr1, SIGUSR1 may have come before `ignoreSignals` set
 * a listener for it; each such signal opens the debugger again.
 */
async function closeDebugger(): Promise<void> {
  while (inspector.url() !== undefined) {
    inspector.close();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/**
 * Ends the process now. While a system call hangs, such as one on a file system that does not answer, `process.exit`
 * does not end the process, but a signal without a listener does. So the listeners of the stop signals are removed. The
 * process then sends itself the signal that stopped it. If none has come yet, the next one ends it.
 */
function endAtOnce(stop: AbortSignal): never {
  const mayHang = process.getActiveResourcesInfo().some((name) => name.startsWith("FSReq"));
  for (const signal of STOP_SIGNALS) process.removeAllListeners(signal);
  try {
    if (mayHang && stop.aborted) process.kill(process.pid, stop.reason);
  } catch {
    // The systemd unit may forbid `kill`. Then systemd ends the process.
  }
  process.exit();
}

/** Opens the log. Everything that Node and libraries would write to stderr as text goes into it from now on. */
async function openLog(stop: AbortSignal): Promise<ProcessLog> {
  const { STDERR, standardOutput } = await import("./reporting/descriptor.ts");
  const { ProcessLog } = await import("./reporting/process_log.ts");
  const { captureWarnings, consoleInto, endOnUncaught } = await import("./process/strays.ts");
  // The function is called only for a socket or a pipe of another user, which cannot be opened again. At the first use
  // of `process.stderr`, Node sets it to non-blocking.
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

/** Runs the command that the arguments name, and ends the process with its exit code. */
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
    // A reader of the output may stop early (`| head`), which is no error.
    if (error.code !== "EPIPE") fail(`cannot write to stdout: ${error.message}`);
  });
  try {
    const code = await runCommand(program, process.argv.slice(2), { opening, stop });
    if (code !== 0) process.exitCode = code;
  } catch (error) {
    fail(messageOf(error));
  }
  // A reader of the output, such as a pager, may be slow. A signal ends the wait.
  if (process.stdout.writableLength > 0) {
    const taken = new Promise<void>((resolve) => void process.stdout.write("", () => resolve()));
    await Promise.race([taken, stoppedOrAfter(stop)]);
  }
  const log = await opening;
  setTimeout(() => endAtOnce(stop), EXIT_GRACE_MS).unref();
  await log.drain(AbortSignal.timeout(EXIT_GRACE_MS));
}
