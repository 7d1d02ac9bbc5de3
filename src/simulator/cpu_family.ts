// SPDX-License-Identifier: Apache-2.0
import { CPU_ITEMS } from "./catalogue.ts";
import { type FamilyShape, gridOf, type Step } from "./family_shape.ts";

/** The unit in which the guest's kernel counts CPU time, in milliseconds. */
export const TICK_MS = 10;
const UPTIME_MS_MAX = 7_200_000;

/**
 * Makes the family of a guest's CPU time in milliseconds. The modes of each CPU together grow by the time that has passed, and
 * `total` is the sum of all CPUs, as in the kernel.
 */
export function cpuTimeFamily(
  cpus: readonly string[],
  shares: Readonly<Record<string, number>>,
): FamilyShape {
  const weights = CPU_ITEMS.map((item) => shares[item] ?? 0);
  const idle = CPU_ITEMS.indexOf("idle");
  const addTime = (numbers: Float64Array, at: number, { random, elapsedMs }: Step): void => {
    const ticks = Math.floor(elapsedMs / TICK_MS);
    for (let first = at; first < at + cpus.length * weights.length; first += weights.length) {
      let left = ticks;
      for (const [item, weight] of weights.entries()) {
        if (weight === 0) continue;
        const spent = Math.min(left, Math.floor(ticks * weight * (0.9 + 0.2 * random()) + random()));
        add(numbers, first + item, spent * TICK_MS);
        left -= spent;
      }
      add(numbers, first + idle, left * TICK_MS);
    }
    sumUp(numbers, at);
  };
  const sumUp = (numbers: Float64Array, at: number): void => {
    const total = at + cpus.length * weights.length;
    for (let item = 0; item < weights.length; item++) {
      let sum = 0;
      for (let cpu = 0; cpu < cpus.length; cpu++) sum += numbers[at + cpu * weights.length + item] ?? 0;
      numbers[total + item] = sum;
    }
  };
  return {
    ...gridOf(
      { name: "kata_guest_cpu_time", type: "gauge", help: "CPU time of the guest in milliseconds." },
      { label: "cpu", things: [...cpus, "total"], items: CPU_ITEMS },
    ),
    // CPU time grows whenever time passes, so this family changes on every scrape.
    isRestless: true,
    start(numbers, at, random) {
      numbers.fill(0, at, at + (cpus.length + 1) * weights.length);
      addTime(numbers, at, { random, elapsedMs: Math.ceil(random() * UPTIME_MS_MAX) });
    },
    move: addTime,
  };
}

function add(numbers: Float64Array, column: number, amount: number): void {
  numbers[column] = (numbers[column] ?? 0) + amount;
}
