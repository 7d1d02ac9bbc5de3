#!/usr/bin/env -S node --max-semi-space-size=4 --disable-sigusr1 --no-warnings
// The young generation is kept small: V8 would let it grow to 48 MB, three times what the agent's data takes, and save
// a twentieth of the CPU (npm run bench -- agent). The other two hold before the first line of this file runs: no signal
// opens a debugger, and no warning of Node's goes to stderr as text.
import inspector from "node:inspector";
import { readBuildInfo } from "./build_info.ts";
import type { Command } from "./commands/command.ts";
import { stoppedOrAfter } from "./commands/stopped.ts";
import { isDebuggerAskedFor, remarksOnNode } from "./process/node_remarks.ts";
import { hangups, ignoreSignals, STOP_SIGNALS, stopSignal } from "./process/signals.ts";
import type { ProcessLog, StrayLine } from "./telemetry/process_log.ts";
import { visible, visibleLines } from "./text/visible.ts";

interface Entry {
  readonly summary: string;
  /** Whether it runs an agent: SIGHUP means something to it, other than its end, and it says how Node was started. */
  readonly isAgent?: true;
  /** Whether it makes what Kata's runtimes make, with the modes that theirs has: the umask stays as it was. */
  readonly isSimulation?: true;
  load(): Promise<Command>;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  run: {
    summary: "run the agent with a configuration (the default command)",
    isAgent: true,
    load: async () => (await import("./commands/run.ts")).run,
  },
  validate: {
    summary: "check a configuration and report every fault in it",
    load: async () => (await import("./commands/validate.ts")).validate,
  },
  components: {
    summary: "list the components of this build",
    load: async () => (await import("./commands/components.ts")).components,
  },
  "print-config": {
    summary: "print the merged configuration, secrets redacted",
    load: async () => (await import("./commands/print_config.ts")).printConfig,
  },
  schema: {
    summary: "print the JSON Schema of the configuration, for editors",
    load: async () => (await import("./commands/schema.ts")).schema,
  },
  monitor: {
    summary: "run the agent in kata-monitor's place, with its flags and endpoints",
    isAgent: true,
    load: async () => (await import("./commands/monitor.ts")).monitor,
  },
  simulate: {
    summary: "serve simulated sandboxes on real unix sockets, with a CRI server",
    isSimulation: true,
    load: async () => (await import("./commands/simulate.ts")).simulate,
  },
  demo: {
    summary: "run a simulated node and the agent on it",
    load: async () => (await import("./commands/demo.ts")).demo,
  },
};

/** A leaked handle or a reader of the log that does not read must not keep a finished process alive. */
const EXIT_GRACE_MS = 1_000;
/** What the agent makes is its owner's alone, whatever it was started with; what others may see gets a mode of its own. */
const UMASK = 0o077;

function usage(): string {
  const build = readBuildInfo();
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length)) + 2;
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}${summary}`);
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

async function main(argv: readonly string[], opening: Promise<ProcessLog>): Promise<number> {
  const [first, ...rest] = argv;
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    process.stdout.write(usage());
    return 0;
  }
  if (first === "--version" || first === "-v") {
    const { command, version } = readBuildInfo();
    process.stdout.write(`${command} version ${version}\n`);
    return 0;
  }
  // As the Collector: without a command's name, the arguments are those of a run.
  const name = first.startsWith("-") ? "run" : first;
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) {
    const known = Object.keys(COMMANDS).join(", ");
    throw new Error(`unknown command "${name}"; the commands are ${known}`);
  }
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
function endAtOnce(): never {
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
async function openLog(): Promise<ProcessLog> {
  const { STDERR, standardOutput } = await import("./telemetry/descriptor.ts");
  const { ProcessLog } = await import("./telemetry/process_log.ts");
  const { captureWarnings, consoleInto, endOnUncaught } = await import("./process/strays.ts");
  // Node makes a socket or a foreign pipe non-blocking when it opens it as a stream.
  const opened = new ProcessLog(standardOutput(STDERR, () => void process.stderr));
  const say = (line: StrayLine): void => opened.say(line);
  globalThis.console = consoleInto(say);
  captureWarnings(process, say);
  endOnUncaught(process, say, () => {
    process.exitCode = 1;
    void opened.drain(AbortSignal.timeout(EXIT_GRACE_MS)).then(endAtOnce);
  });
  return opened;
}

ignoreSignals(process);
const stop = stopSignal(process, () => {
  process.exitCode = 1;
  endAtOnce();
});
const opening = openLog();
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Whoever reads our output may leave early (`| head`): that is no fault of ours.
  if (error.code !== "EPIPE") fail(`cannot write to stdout: ${error.message}`);
});
try {
  const code = await main(process.argv.slice(2), opening);
  if (code !== 0) process.exitCode = code;
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
// Whoever reads our output may take their time, such as a pager; a signal ends the wait.
if (process.stdout.writableLength > 0) {
  const taken = new Promise<void>((resolve) => void process.stdout.write("", () => resolve()));
  await Promise.race([taken, stoppedOrAfter(stop)]);
}
const log = await opening;
setTimeout(endAtOnce, EXIT_GRACE_MS).unref();
await log.drain(AbortSignal.timeout(EXIT_GRACE_MS));

function fail(message: string): void {
  void opening.then((opened) => opened.write(`Error: ${visible(message)}\n`));
  process.exitCode = 1;
}
