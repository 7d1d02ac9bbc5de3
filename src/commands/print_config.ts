// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from "node:util";
import { Document, visit } from "yaml";
import { renderFaults } from "../config/fault.ts";
import { loadConfig } from "../config/load.ts";
import { printableConfig } from "../config/print.ts";
import type { ConfigSource } from "../config/source.ts";
import { readConfigFile } from "../files/read_file.ts";
import type { Command, CommandContext } from "../process/command.ts";
import { registry } from "../registry.ts";
import { visibleLines } from "../text/visible.ts";
import { CONFIG_OPTIONS, configUsage } from "./config_args.ts";

const OPTIONS = {
  ...CONFIG_OPTIONS,
  format: { type: "string", default: "yaml" },
  mode: { type: "string", default: "redacted" },
  validate: { type: "string", default: "true" },
} as const;

/** Prints the configuration as the agent understands it: merged, expanded and with all defaults. Secrets are redacted. */
export const printConfig: Command = async (context) => {
  const { args, env, stdout, stop } = context;
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const { config: uris = [], set: sets = [], format, mode, validate } = values;
  if (values.help === true) {
    const more = [
      "  --format    yaml (default) or json",
      "  --mode      redacted (default) or unredacted: whether secrets are shown",
      "  --validate  true (default) or false: whether a faulty configuration is printed too",
    ];
    stdout.write(
      configUsage("print-config", "Prints the merged, expanded and completed configuration.", more),
    );
    return 0;
  }
  oneOf("format", format, ["yaml", "json"]);
  oneOf("mode", mode, ["redacted", "unredacted"]);
  oneOf("validate", validate, ["true", "false"]);
  return await printSource(
    context,
    { uris, sets, env, readFile: (path) => readConfigFile(path, stop) },
    { format, unredacted: mode === "unredacted", validate: validate === "true" },
  );
};

export interface PrintOptions {
  readonly format: string;
  readonly unredacted: boolean;
  /** Whether the configuration must have no fault. If false, a faulty one is printed too. */
  readonly validate: boolean;
}

/**
 * Prints the configuration of the source. Resolves to the exit code: 1 if faults keep the configuration from being
 * printed, 0 if it is printed.
 */
export async function printSource(
  { stdout, stderr }: CommandContext,
  source: ConfigSource,
  { format, unredacted, validate }: PrintOptions,
): Promise<number> {
  const loaded = await loadConfig(source, registry);
  stderr.write(renderFaults(loaded.warnings, "warning: "));
  if (!loaded.ok && (validate || loaded.tree === undefined)) {
    stderr.write(renderFaults(loaded.faults));
    return 1;
  }
  if (loaded.tree === undefined) return 1;
  const config = await printableConfig(loaded.tree, registry, { unredacted });
  stdout.write(format === "json" ? `${JSON.stringify(config, null, 2)}\n` : asYaml(config));
  return 0;
}

/**
 * Returns the config as YAML. Texts with hidden characters are in double quotes, because only there does YAML read the
 * escapes that `visibleLines` writes.
 */
function asYaml(config: unknown): string {
  const document = new Document(config);
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === "string" && visibleLines(node.value) !== node.value)
        node.type = "QUOTE_DOUBLE";
    },
  });
  return visibleLines(document.toString());
}

function oneOf(name: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) throw new Error(`--${name} must be ${allowed.join(" or ")}, got "${value}"`);
}
