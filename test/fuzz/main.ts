// SPDX-License-Identifier: Apache-2.0
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { startForeignParsers } from "../kit/page_parsers/foreign_parsers.ts";
import { churn, SERIES_MAX } from "./churn.ts";
import { attackListeners } from "./crowded_listeners.ts";
import { runHostileNode } from "./hostile_node.ts";

/**
 * npm run fuzz -- --seed 7 --rounds 100 --sandboxes 16: the same numbers serve the same pages.
 * npm run fuzz -- --seed 7 --rounds 100 --listeners: the same numbers make the same attacks on the listeners.
 * npm run fuzz -- --seed 7 --churn 1h: an hour of simulated time with guests that send new series in every scrape.
 */
const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    rounds: { type: "string" },
    sandboxes: { type: "string" },
    churn: { type: "string" },
    listeners: { type: "boolean" },
  },
});
const seed = Number(values.seed ?? randomInt(2 ** 31));
const sandboxes = Number(values.sandboxes ?? 16);

async function hunt(rounds: number): Promise<void> {
  console.log(`npm run fuzz -- --seed ${seed} --rounds ${rounds} --sandboxes ${sandboxes}`);
  const { parsers, missing, close } = await startForeignParsers();
  for (const name of missing) console.log(`${name}: not installed; judges nothing`);
  try {
    const onRound = (round: number, summary: string) => console.log(`round ${round}: ${summary}`);
    await runHostileNode({ seed, rounds, sandboxes, parsers, onRound });
  } finally {
    await close();
  }
}

const INTERVAL_MS = 15_000;
const HONEST = 4;

async function churnFor(duration: string): Promise<void> {
  const hours = Number(/^(\d+)h$/.exec(duration)?.[1]);
  if (!(hours > 0)) throw new Error(`--churn takes hours, such as 1h, not "${duration}"`);
  console.log(`npm run fuzz -- --seed ${seed} --churn ${hours}h --sandboxes ${sandboxes}`);
  const scrapes = (hours * 3_600_000) / INTERVAL_MS;
  const options = { seed, hostile: sandboxes, honest: HONEST, scrapes, intervalMs: INTERVAL_MS };
  const found = await churn(options);
  console.table(
    found.map(({ isHostile, readings, series, faults }) => ({
      sandbox: isHostile ? "hostile" : "honest",
      readings,
      series,
      faults: faults.length,
    })),
  );
  const faults = found.flatMap((one) => one.faults);
  const most = Math.max(...found.map(({ series }) => series));
  if (most > SERIES_MAX) faults.push(`${most} series of one sandbox, over ${SERIES_MAX}`);
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

async function crowd(rounds: number): Promise<void> {
  console.log(`npm run fuzz -- --seed ${seed} --rounds ${rounds} --listeners`);
  const closing: (() => unknown)[] = [];
  try {
    const onRound = (round: number, attacks: string) => console.log(`round ${round}: ${attacks}`);
    await attackListeners({ after: (close) => closing.push(close) }, { seed, rounds, onRound });
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

try {
  if (values.listeners === true) await crowd(Number(values.rounds ?? 20));
  else if (values.churn === undefined) await hunt(Number(values.rounds ?? 50));
  else await churnFor(values.churn);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
