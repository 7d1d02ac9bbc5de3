// SPDX-License-Identifier: Apache-2.0
/** How large a run is, and what it prints on. */
export interface Scale {
  /** Of every random decision; times are the machine's, so that a replay is like the first run and not the same. */
  readonly seed: number;
  /** False within `npm test`. */
  readonly long: boolean;
  readonly kills: number;
  readonly minutes: number;
  print(text: string): void;
}

/** One way of doing the agent harm, and the proof that nothing accepted was lost by it. */
export interface Scenario {
  readonly name: string;
  readonly summary: string;
  /** What it needs and this machine lacks; undefined where it can run. */
  lacks?(): string | undefined;
  /** Rejects where something was lost. */
  run(scale: Scale): Promise<void>;
}

/** Runs the scenario; a failure says how to run it again. */
export async function perform({ name, run }: Scenario, scale: Scale): Promise<void> {
  try {
    await run(scale);
  } catch (error) {
    const again = `npm run soak -- ${name} --seed ${scale.seed}`;
    throw new Error(`${name} failed with seed ${scale.seed}; run it again with ${again}`, { cause: error });
  }
}
