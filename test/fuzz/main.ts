import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { runHostileNode } from "./hostile_node.ts";

/** npm run fuzz -- --seed 7 --rounds 100 --sandboxes 16: the same numbers serve the same pages. */
const { values } = parseArgs({
  options: { seed: { type: "string" }, rounds: { type: "string" }, sandboxes: { type: "string" } },
});
const seed = Number(values.seed ?? randomInt(2 ** 31));
const rounds = Number(values.rounds ?? 50);
const sandboxes = Number(values.sandboxes ?? 16);

console.log(`npm run fuzz -- --seed ${seed} --rounds ${rounds} --sandboxes ${sandboxes}`);
try {
  await runHostileNode({
    seed,
    rounds,
    sandboxes,
    onRound: (round, summary) => console.log(`round ${round}: ${summary}`),
  });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
