// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { seededRandom } from "../../src/simulator/random.ts";
import type { Closing } from "../kit/closing.ts";
import { startCrowdedNode } from "../kit/node/crowded_node.ts";
import { poll } from "../kit/poll.ts";
import { drawAttacks } from "./listener_attacks.ts";

export interface CrowdedListenersOptions {
  /** The seed of the attacks. */
  readonly seed: number;
  readonly rounds: number;
  onRound?(round: number, attacks: string): void;
}

/** How often the attacks of a round must have acted together before the honest clients come. */
const LEAST = 60;
/** The number of descriptors by which scrapes let the number of open ones vary. */
const SPARE_DESCRIPTORS = 24;
/** The largest number of log lines in a round: one a minute for each listener, and those about aborted pulls. */
const LINES_PER_ROUND_MAX = 200;

/** Attacks the listeners of a real agent. Throws where an honest puller or probe does not get its answer meanwhile. */
export async function attackListeners(
  context: Closing,
  { seed, rounds, onRound }: CrowdedListenersOptions,
): Promise<void> {
  const random = seededRandom(seed);
  const { node, ports, misses } = await startCrowdedNode(context);
  const { agent } = node;
  const descriptors = (): number => readdirSync(`/proc/${agent.pid}/fd`).length;
  const before = descriptors();
  for (let round = 0; round < rounds; round++) {
    const attacks = await drawAttacks({ random, ports });
    const names = attacks.map(({ name }) => name).join("; ");
    const linesBefore = agent.stderr().split("\n").length;
    const faults = await misses(
      attacks.map(({ begin }) => begin()),
      { least: LEAST, addresses: ["127.0.0.1"] },
    );
    const lines = agent.stderr().split("\n").slice(linesBefore);
    const bug = lines.find((line) => /BUG|at .*\.[jt]s:\d+/.test(line));
    if (bug !== undefined) faults.push(`the agent's log: ${bug.slice(0, 500)}`);
    if (lines.length > LINES_PER_ROUND_MAX) faults.push(`the agent's log: ${lines.length} lines`);
    if (faults.length > 0)
      throw new Error(
        `seed ${seed}, round ${round} (${names}): ${faults.length} faults\n  ${faults.slice(0, 12).join("\n  ")}`,
      );
    await poll(`descriptors to be given back (seed ${seed}, round ${round}: ${names})`, () =>
      descriptors() <= before + SPARE_DESCRIPTORS ? true : undefined,
    );
    onRound?.(round, names);
  }
  const left = await misses([], { least: 0, addresses: ["127.0.0.1"] });
  if (left.length > 0) throw new Error(`seed ${seed}, afterwards: ${left.join("\n  ")}`);
}
