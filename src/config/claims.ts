import type { Claiming } from "../component/component.ts";
import { SECTIONS } from "./components.ts";
import type { Findings } from "./findings.ts";
import type { AgentConfig } from "./load.ts";

/** Checks that of the components that will run no two have the same for themselves, such as a file or a root. */
export function checkClaims(findings: Findings, config: AgentConfig): void {
  const holders = new Map<string, string>();
  for (const section of SECTIONS) {
    const running = idsOf(config, section);
    for (const [id, { factory, config: options }] of config[section]) {
      if (!running.has(id)) continue;
      for (const claim of (factory as Claiming).claims?.(options) ?? []) {
        const holder = holders.get(claim);
        if (holder !== undefined) findings.fault([section, id], `${claim} is that of ${holder} already`);
        else holders.set(claim, `${section}::${id}`);
      }
    }
  }
}

function idsOf({ service }: AgentConfig, section: (typeof SECTIONS)[number]): ReadonlySet<string> {
  if (section === "extensions") return new Set(service.extensions);
  return new Set([...service.pipelines.values()].flatMap((pipeline) => pipeline[section]));
}
