// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from "node:util";
import { Agent } from "../agent.ts";
import { readBuildInfo } from "../build_info.ts";
import { type Fault, renderFaults } from "../config/fault.ts";
import { type LoadResult, loadConfig } from "../config/load.ts";
import type { ConfigNode } from "../config/node.ts";
import type { ConfigSource } from "../config/source.ts";
import { readConfigFile } from "../files/read_file.ts";
import type { Command, CommandContext } from "../process/command.ts";
import { stoppedOrAfter, unlessStopped } from "../process/stopped.ts";
import { registry } from "../registry.ts";
import { createLogger } from "../reporting/logs.ts";
import type { LogOutput } from "../reporting/process_log.ts";
import { CONFIG_OPTIONS, configUsage } from "./config_args.ts";
import { ConfigFiles } from "./config_files.ts";
import { Reloader } from "./reloader.ts";

type FaultyConfig = Extract<LoadResult, { readonly ok: false }>;

const OPTIONS = { ...CONFIG_OPTIONS, watch: { type: "boolean", default: false } } as const;

/**
 * Runs the agent until it is told to stop. The exit code is 1 if the config has faults, or a component cannot start or
 * does not shut down as it should.
 */
export const run: Command = async (context) => {
  const { args, env, stdout, stop } = context;
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  if (values.help === true) {
    stdout.write(
      configUsage(
        "run",
        "Runs the agent until SIGINT or SIGTERM; a second signal ends it at once. SIGHUP reloads the configuration.",
        ["  --watch   reload when a file of the configuration, or a certificate that it names, changes"],
      ),
    );
    return 0;
  }
  const { config: uris = [], set: sets = [], watch } = values;
  return await runSource(
    context,
    { uris, sets, env, readFile: (path) => readConfigFile(path, stop) },
    { watch },
  );
};

/** Like `run`, with the configuration of the source. */
export async function runSource(
  context: CommandContext,
  source: ConfigSource,
  { watch }: { readonly watch: boolean },
): Promise<number> {
  const { env, stderr, usage, stop, onHangup } = context;
  const files = new ConfigFiles();
  const noting = files.noting(source);
  const loaded = await loadConfig(noting, registry);
  // An agent that is told to stop before it starts has stopped as it should.
  if (stop.aborted) return 0;
  if (!loaded.ok) {
    sayFaults(loaded, stderr);
    return 1;
  }
  files.noteNamed(loaded.tree);
  await files.hasChanged();
  const reload = new Reloader(noting, registry, (tree) => files.noteNamed(tree));
  const agent = new Agent({
    config: loaded.config,
    build: readBuildInfo(),
    env,
    logOutput: stderr,
    usage,
    reload,
  });
  for (const { origin, path, message } of loaded.warnings) {
    const where = origin === undefined ? undefined : `${origin.file}:${origin.line}:${origin.column}`;
    agent.logger.warn({ where, path: path.join("::"), message }, "Configuration has a remark.");
  }
  onHangup(() => void reload.run());
  try {
    await unlessStopped(agent.start(), { stop, graceMs: loaded.config.service.shutdownTimeoutMs });
  } catch (error) {
    agent.logger.error({ error: error instanceof Error ? error.message : error }, "Agent cannot start.");
    await agent.shutdown();
    return 1;
  }
  reload.attach(agent);
  const unwatch = watch ? files.watch(() => void reload.run()) : undefined;
  await stoppedOrAfter(stop);
  await unwatch?.();
  agent.logger.info({ signal: stop.reason }, "Received signal from OS.");
  return (await agent.shutdown()) ? 0 : 1;
}

/** Writes the faults for a person to read, or as lines of JSON if the configuration says that the log is JSON. */
function sayFaults({ faults, warnings, tree }: FaultyConfig, stderr: LogOutput): void {
  if (textAt(tree, ["service", "telemetry", "logs", "encoding"]) !== "json") {
    stderr.write(renderFaults(warnings, "warning: ") + renderFaults(faults));
    return;
  }
  const logger = createLogger({ level: "info", encoding: "json", initialFields: {} }, stderr);
  stderr.attach(logger);
  const rendered = (list: readonly Fault[]): string[] => list.map((fault) => renderFaults([fault]).trimEnd());
  logger.error({ faults: rendered(faults), warnings: rendered(warnings) }, "Configuration has faults.");
}

/** Returns the text at these keys, or undefined if there is no text. */
function textAt(tree: ConfigNode | undefined, keys: readonly string[]): string | undefined {
  let node = tree;
  for (const key of keys) node = node?.kind === "map" ? node.entries.get(key)?.value : undefined;
  return node?.kind === "scalar" && typeof node.value === "string" ? node.value : undefined;
}
