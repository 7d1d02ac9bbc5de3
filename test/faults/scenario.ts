// SPDX-License-Identifier: Apache-2.0
/** The size of a run, and where it prints. */
export interface Scale {
  /** The seed of every random decision. Times are the machine's, so that a second run is similar and not identical. */
  readonly seed: number;
  /** Whether the long form runs; false in `npm test`. */
  readonly long: boolean;
  readonly kills: number;
  readonly minutes: number;
  print(text: string): void;
}

/** A kind of fault, and the proof that no accepted point is lost by it. */
export interface Scenario {
  readonly name: string;
  readonly summary: string;
  /** Returns what this machine lacks for the scenario; undefined where it can run. */
  lacks?(): string | undefined;
  /** Runs it. Rejects where something was lost. */
  run(scale: Scale): Promise<void>;
}

/** Runs the scenario. The error of a failure says how to run it again. */
export async function runScenario({ name, run }: Scenario, scale: Scale): Promise<void> {
  try {
    await run(scale);
  } catch (error) {
    const again = `npm run soak -- ${name} --seed ${scale.seed}`;
    throw new Error(`${name} failed with seed ${scale.seed}; run it again with ${again}`, { cause: error });
  }
}
