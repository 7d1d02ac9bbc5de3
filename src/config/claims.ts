// SPDX-License-Identifier: Apache-2.0
import type { Claiming } from "../component/factory.ts";
import type { CheckedConfig } from "./agent_config.ts";
import { SECTIONS } from "./components.ts";
import type { Findings } from "./findings.ts";

/** Checks that of the components that are used no two have the same for themselves, such as a file or a root. */
export function checkClaims(findings: Findings, config: CheckedConfig, used: ReadonlySet<string>): void {
  const holders = new Map<string, string>();
  for (const section of SECTIONS) {
    for (const [id, { factory, config: options }] of config[section]) {
      const name = `${section}::${id}`;
      const claims = used.has(name) ? ((factory as Claiming).claims?.(options) ?? []) : [];
      for (const claim of claims) {
        const holder = holders.get(claim);
        if (holder === undefined) holders.set(claim, name);
        else findings.fault([section, id], `${claim} is that of ${holder} already`);
      }
    }
  }
}
