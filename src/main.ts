#!/usr/bin/env -S node --max-semi-space-size=4
// The young generation is kept small: V8 would let it grow to 48 MB, three times what the agent's data takes, and save
// a twentieth of the CPU (npm run bench -- agent).
import { readBuildInfo } from "./build_info.ts";
import type { Command } from "./commands/command.ts";

interface Entry {
  readonly summary: string;
  /** Whether SIGHUP means something to it, other than its end. */
  readonly hearsHangup?: true;
  load(): Promise<Command>;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  run: {
    summary: "run the agent with a configuration (the default command)",
    hearsHangup: true,
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
    hearsHangup: true,
    load: async () => (await import("./commands/monitor.ts")).monitor,
  },
  simulate: {
    summary: "serve simulated sandboxes on real unix sockets, with a CRI server",
    load: async () => (await import("./commands/simulate.ts")).simulate,
  },
  demo: {
    summary: "run a simulated node and the agent on it",
    load: async () => (await import("./commands/demo.ts")).demo,
  },
};

/** A leaked handle must not keep a finished process alive; long enough for a pipe to take the last output. */
const EXIT_GRACE_MS = 1_000;

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

async function main(argv: readonly string[]): Promise<number> {
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
    process.stderr.write(`Error: unknown command "${name}"; the commands are ${known}\n`);
    return 1;
  }
  // Before anything is loaded: the kernel drops signals that the first process of a container does not listen to yet.
  const stop = stopSignal();
  const onHangup = entry.hearsHangup === true ? hangups() : () => {};
  const command = await entry.load();
  const args = name === first ? rest : argv;
  const { env, stdout, stderr } = process;
  return await command({ args, env, stdout, stderr, usage: process, stop, onHangup });
}

/** Aborts at the first SIGINT or SIGTERM; the second ends the process at once. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(1);
      stop.abort(signal);
    });
  }
  return stop.signal;
}

/** Takes SIGHUP from now on; who listens later hears of one that came before. */
function hangups(): (listener: () => void) => void {
  let heard = false;
  let tell = (): void => {
    heard = true;
  };
  process.on("SIGHUP", () => tell());
  return (listener) => {
    tell = listener;
    if (heard) listener();
  };
}

// Whoever reads our output may leave early (`| head`): that is no fault of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
setTimeout(() => process.exit(), EXIT_GRACE_MS).unref();
