import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { startForeignParsers } from "./foreign_parsers.ts";
import { runHostileNode } from "./hostile_node.ts";

/** npm run fuzz -- --seed 7 --rounds 100 --sandboxes 16: the same numbers serve the same pages. */
const { values } = parseArgs({
  options: { seed: { type: "string" }, rounds: { type: "string" }, sandboxes: { type: "string" } },
});
const seed = Number(values.seed ?? randomInt(2 ** 31));
const rounds = Number(values.rounds ?? 50);
const sandboxes = Number(values.sandboxes ?? 16);

console.log(`npm run fuzz -- --seed ${seed} --rounds ${rounds} --sandboxes ${sandboxes}`);
const { parsers, missing, close } = await startForeignParsers();
for (const name of missing) console.log(`${name}: not installed; judges nothing`);
try {
  await runHostileNode({
    seed,
    rounds,
    sandboxes,
    parsers,
    onRound: (round, summary) => console.log(`round ${round}: ${summary}`),
  });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await close();
}
