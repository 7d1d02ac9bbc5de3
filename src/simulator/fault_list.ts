// SPDX-License-Identifier: Apache-2.0
import { SANDBOX_FAULTS, type SandboxFault } from "./sandbox_faults.ts";

/** The number of sandboxes with each fault. */
export type FaultCounts = Partial<Record<SandboxFault, number>>;

const NAMES = Object.keys(SANDBOX_FAULTS) as SandboxFault[];
const NAME_WIDTH = Math.max(...NAMES.map((name) => name.length));

/** Returns a line for each fault, which says what a sandbox with it does or is, for the help of a command. */
export function describeFaults(): string {
  return NAMES.map((name) => `  ${name.padEnd(NAME_WIDTH)}  ${SANDBOX_FAULTS[name]}\n`).join("");
}

/** Parses `hang=1,slow=2`. A fault without a number counts once. Throws, in words for the user, if the text is wrong. */
export function parseFaults(text: string, sandboxes: number): FaultCounts {
  const faults: FaultCounts = {};
  for (const item of text.split(",").filter(Boolean)) {
    const [name = "", count = "1"] = item.split("=");
    const fault = NAMES.find((known) => known === name);
    if (fault === undefined)
      throw new Error(`--faults: there is no fault "${name}"; there are ${NAMES.join(", ")}`);
    if (!/^[0-9]{1,9}$/.test(count))
      throw new Error(`--faults: the number of "${name}" must be a whole number, got "${count}"`);
    faults[fault] = Number(count);
  }
  const faulty = Object.values(faults).reduce((sum, count) => sum + count, 0);
  if (faulty > sandboxes) throw new Error(`--faults: ${faulty} faults are more than ${sandboxes} sandboxes`);
  return faults;
}
