// SPDX-License-Identifier: Apache-2.0
import { stringify } from "yaml";
import { readBuildInfo } from "../build_info.ts";
import type { CatalogSection } from "../config/catalog.ts";
import type { Command } from "../process/command.ts";
import { registry } from "../registry.ts";

/** Lists the components of this build, in the form of the Collector's command `components`. */
export const components: Command = ({ stdout }) => {
  const { command, version, description } = readBuildInfo();
  const module = `${command} ${version}`;
  const list = (section: CatalogSection<unknown>, stabilityOf: string) =>
    Object.entries(section).map(([name, { stability, aliases }]) => ({
      name,
      ...(aliases.length > 0 ? { aliases } : {}),
      module,
      stability: { [stabilityOf]: `${stability.charAt(0).toUpperCase()}${stability.slice(1)}` },
    }));
  stdout.write(
    stringify({
      buildinfo: { command, description, version },
      receivers: list(registry.receivers, "metrics"),
      processors: list(registry.processors, "metrics"),
      exporters: list(registry.exporters, "metrics"),
      connectors: [],
      extensions: list(registry.extensions, "extension"),
      providers: ["env", "file", "yaml"].map((scheme) => ({ scheme, module })),
      converters: [],
    }),
  );
  return Promise.resolve(0);
};
