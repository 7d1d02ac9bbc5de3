// SPDX-License-Identifier: Apache-2.0
import { renderFaults } from "../config/fault.ts";
import { loadConfig } from "../config/load.ts";
import { readConfigFile } from "../files/read_file.ts";
import type { Command } from "../process/command.ts";
import { registry } from "../registry.ts";
import { configUsage, parseConfigArgs } from "./config_args.ts";

/** Checks a configuration. Prints every fault, and resolves to 1 if there is one. */
export const validate: Command = async ({ args, env, stdout, stderr, stop }) => {
  const source = parseConfigArgs(args);
  if (source === undefined) {
    stdout.write(configUsage("validate", "Checks a configuration and reports every fault in it."));
    return 0;
  }
  const loaded = await loadConfig(
    { ...source, env, readFile: (path) => readConfigFile(path, stop) },
    registry,
  );
  stderr.write(renderFaults(loaded.warnings, "warning: "));
  if (loaded.ok) return 0;
  stderr.write(renderFaults(loaded.faults));
  return 1;
};
