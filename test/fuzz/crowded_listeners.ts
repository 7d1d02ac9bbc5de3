// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { seededRandom } from "../../src/simulator/random.ts";
import type { Closing } from "../kit/closing.ts";
import { startCrowdedNode } from "../kit/node/crowded_node.ts";
import { poll } from "../kit/poll.ts";
import { drawAttacks } from "./listener_attacks.ts";

export interface CrowdedListenersOptions {
  /** The same seed makes the same attacks. */
  readonly seed: number;
  readonly rounds: number;
  onRound?(round: number, attacks: string): void;
}

/** So much has been done by all attacks of a round before the honest clients come. */
const LEAST = 60;
/** Descriptors that come and go with scrapes. */
const SPARE_DESCRIPTORS = 24;
/** Lines of the log for a round: one a minute of each listener, and what the attacks broke off. */
const LINES_PER_ROUND_MAX = 200;

/** Attacks the listeners of a real agent beside honest pullers and probes; throws where those miss anything. */
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
