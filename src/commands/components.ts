import { stringify } from "yaml";
import { readBuildInfo } from "../build_info.ts";
import { registry } from "../registry.ts";
import type { Command } from "./command.ts";

/** Lists what this build has, as the Collector's command of that name does. */
export const components: Command = ({ stdout }) => {
  const { command, version, description } = readBuildInfo();
  const list = (section: (typeof registry)[keyof typeof registry]) =>
    Object.entries(section).map(([name, { stability, aliases }]) => ({
      name,
      ...(aliases.length > 0 ? { aliases: [...aliases] } : {}),
      stability: { metrics: stability },
    }));
  stdout.write(
    stringify({
      buildinfo: { command, description, version },
      receivers: list(registry.receivers),
      processors: list(registry.processors),
      exporters: list(registry.exporters),
      extensions: list(registry.extensions),
      providers: ["env", "file", "yaml"].map((scheme) => ({ scheme })),
    }),
  );
  return Promise.resolve(0);
};
