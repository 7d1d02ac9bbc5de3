import { Agent } from "../agent.ts";
import { readBuildInfo } from "../build_info.ts";
import { renderFaults } from "../config/fault.ts";
import { loadConfig } from "../config/load.ts";
import { readConfigFile } from "../config/read_file.ts";
import type { ConfigSource } from "../config/source.ts";
import { registry } from "../registry.ts";
import type { Command, CommandContext } from "./command.ts";
import { configUsage, parseConfigArgs } from "./config_args.ts";
import { stoppedOrAfter } from "./stopped.ts";

/** Runs the agent until it is told to stop. 1 when the config has faults or something cannot start. */
export const run: Command = async (context) => {
  const { args, env, stdout } = context;
  const source = parseConfigArgs(args);
  if (source === undefined) {
    stdout.write(
      configUsage("run", "Runs the agent until SIGINT or SIGTERM; a second signal ends it at once."),
    );
    return 0;
  }
  return await runSource(context, { ...source, env, readFile: readConfigFile });
};

/** As `run`, with a configuration from wherever. */
export async function runSource(
  { stderr, usage, stop }: CommandContext,
  source: ConfigSource,
): Promise<number> {
  const loaded = await loadConfig(source, registry);
  if (!loaded.ok) {
    stderr.write(renderFaults(loaded.warnings, "warning: ") + renderFaults(loaded.faults));
    return 1;
  }
  const agent = new Agent({ config: loaded.config, build: readBuildInfo(), logOutput: stderr, usage });
  for (const { origin, path, message } of loaded.warnings) {
    const where = origin === undefined ? undefined : `${origin.file}:${origin.line}:${origin.column}`;
    agent.logger.warn({ where, path: path.join("::"), message }, "Configuration has a remark.");
  }
  try {
    await agent.start();
  } catch (error) {
    agent.logger.error({ error: error instanceof Error ? error.message : error }, "Agent cannot start.");
    await agent.shutdown();
    return 1;
  }
  await stoppedOrAfter(stop);
  agent.logger.info({ signal: stop.reason }, "Received signal from OS.");
  return (await agent.shutdown()) ? 0 : 1;
}
