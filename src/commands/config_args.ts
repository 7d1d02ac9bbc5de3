// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from "node:util";

export interface ConfigArgs {
  readonly uris: readonly string[];
  readonly sets: readonly string[];
}

/** The options of every command that reads a config, for `parseArgs` of `node:util`. */
export const CONFIG_OPTIONS = {
  config: { type: "string", multiple: true },
  set: { type: "string", multiple: true },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * Parses `--config <file|uri>` and `--set a.b=v`, which can be repeated. Returns undefined for `--help`. Throws on any
 * other argument.
 */
export function parseConfigArgs(args: readonly string[]): ConfigArgs | undefined {
  const { values } = parseArgs({ args: [...args], options: CONFIG_OPTIONS });
  if (values.help === true) return undefined;
  return { uris: values.config ?? [], sets: values.set ?? [] };
}

/** Returns the usage text of a command that reads a config. */
export function configUsage(command: string, summary: string, more: readonly string[] = []): string {
  return [
    summary,
    "",
    `Usage: kata-collector ${command} --config <file|uri> [--config …] [--set a.b=v …]`,
    "",
    "  --config  a file, file:path, env:NAME or yaml:a::b: v; several are merged from left to right",
    "  --set     sets one value after all of them: --set receivers.kata.timeout=20s",
    ...more,
    "",
  ].join("\n");
}
