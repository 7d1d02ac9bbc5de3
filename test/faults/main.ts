// SPDX-License-Identifier: Apache-2.0
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { runScenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";
import { soak } from "./soak.ts";

const ALL = [...SCENARIOS, soak];

/** npm run soak -- kills --seed 7 --kills 100: the same seed makes the same decisions. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string" },
    kills: { type: "string", default: "100" },
    minutes: { type: "string", default: "30" },
    help: { type: "boolean", default: false },
  },
});
const names = ALL.map(({ name }) => name);
if (values.help || positionals.some((name) => !names.includes(name))) {
  console.log(
    "npm run soak -- [scenario …] [--seed N] [--kills N] [--minutes N]; without names, all of them\n",
  );
  for (const { name, summary } of ALL) console.log(`  ${name.padEnd(14)}${summary}`);
  process.exit(values.help ? 0 : 1);
}

const seed = Number(values.seed ?? randomInt(2 ** 31));
const scale = {
  seed,
  long: true,
  kills: Number(values.kills),
  minutes: Number(values.minutes),
  print: (text: string) => console.log(text.replaceAll(/^/gm, "  ")),
};
console.log(
  `npm run soak -- ${positionals.join(" ")} --seed ${seed} --kills ${values.kills} --minutes ${values.minutes}`,
);
for (const scenario of ALL) {
  if (positionals.length > 0 && !positionals.includes(scenario.name)) continue;
  const lacking = scenario.lacks?.();
  console.log(
    `\n${scenario.name}: ${lacking === undefined ? scenario.summary : `left out, since this needs ${lacking}`}`,
  );
  if (lacking !== undefined) continue;
  const start = performance.now();
  try {
    await runScenario(scenario, scale);
    console.log(`  passed in ${((performance.now() - start) / 1_000).toFixed(0)} s`);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
}
