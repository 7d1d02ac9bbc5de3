#!/usr/bin/env -S node --max-semi-space-size=4 --disable-sigusr1 --no-warnings
// SPDX-License-Identifier: Apache-2.0
// The simulator is a program of its own: the agent's program does not import it, so the package does not contain it.
import { runProgram } from "../program.ts";

await runProgram({
  commands: {
    simulate: {
      summary: "serve simulated sandboxes on real unix sockets, with a CRI server",
      isSimulation: true,
      load: async () => (await import("./simulate.ts")).simulate,
    },
    demo: {
      summary: "run a simulated node and the agent on it",
      load: async () => (await import("./demo.ts")).demo,
    },
  },
});
