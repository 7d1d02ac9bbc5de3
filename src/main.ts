#!/usr/bin/env -S node --max-semi-space-size=4 --disable-sigusr1 --no-warnings
// SPDX-License-Identifier: Apache-2.0
// Without the first option, V8's young generation would grow to 48 MB, three times the agent's data, and save only 5 %
// of the CPU (npm run bench -- agent). The other two must hold before the first line of this file runs: no signal opens
// a debugger, and no warning of Node goes to stderr as text.
import { runProgram } from "./program.ts";

await runProgram({
  commands: {
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
  },
  // As in the Collector, arguments without the name of a command are those of `run`.
  defaultCommand: "run",
  elsewhere: {
    simulate: '"npm run simulate" in a checkout',
    demo: '"npm run demo" in a checkout',
  },
});
