// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import { setTimeout as realTime } from "node:timers/promises";
import type { Consumer } from "../../src/component/consumer.ts";
import { attributeOf, type Family, type Reading } from "../../src/metrics/model.ts";
import { createPage, type SimulatedPage } from "../../src/simulator/pages.ts";
import { randomPod } from "../../src/simulator/pod.ts";
import { seededRandom } from "../../src/simulator/random.ts";
import { withFakeTime } from "../kit/kata/fake_time_receiver.ts";
import { below, pick } from "./mutate.ts";

export interface ChurnOptions {
  /** The seed of the pages. */
  readonly seed: number;
  readonly hostile: number;
  readonly honest: number;
  /** The number of readings of each sandbox that is there from the beginning. */
  readonly scrapes: number;
  readonly intervalMs: number;
}

/** The result for one sandbox. */
export interface ChurnedSandbox {
  readonly isHostile: boolean;
  readonly readings: number;
  /** The number of different series of the shim in all readings. */
  readonly series: number;
  /** The first few faults. */
  readonly faults: readonly string[];
}

/** The number of different series that the agent accepts from a sandbox over its life. */
export const SERIES_MAX = 5_000;

const FAULTS_KEPT_MAX = 3;
/** The number of steps in which an interval passes; between the steps the network does its work. */
const STEPS = 16;

/**
 * Runs guests that send new names, labels, texts and shapes in every scrape, together with honest ones, of which one is
 * added after half of the time. Time is simulated; the receiver and the sockets are real.
 */
export async function churn(options: ChurnOptions): Promise<readonly ChurnedSandbox[]> {
  const { seed, hostile, honest, scrapes, intervalMs } = options;
  const random = seededRandom(seed);
  const sandboxes = new Map<string, Churned>();
  const next: Consumer = {
    noRoom: () => undefined,
    consume: (reading) =>
      sandboxes.get(attributeOf(reading.resource, "kata.sandbox.id") ?? "")?.take(reading),
    end: () => {},
  };
  // A step of the clock must not look like a slow shim.
  const config = { collection_interval: `${intervalMs}ms`, reconcile_interval: "1s", timeout: "1h" };
  const play = async ({ add, receiver, clock }: Parameters<Parameters<typeof withFakeTime>[0]>[0]) => {
    const start = async (isHostile: boolean): Promise<void> => {
      const { id } = randomPod(random, "kata");
      const sandbox = new Churned(isHostile, below(2 ** 31, random));
      sandboxes.set(id, sandbox);
      await add(id, (socket) => sandbox.answer(socket));
    };
    const pass = async (readings: number): Promise<void> => {
      const wanted = new Map([...sandboxes.values()].map((one) => [one, one.readings + readings]));
      while ([...wanted].some(([one, count]) => one.readings < count)) {
        await clock.advance(intervalMs / STEPS);
        await realTime(1);
      }
    };
    for (let i = 0; i < hostile; i++) await start(true);
    for (let i = 1; i < honest; i++) await start(false);
    await receiver.start();
    await pass(Math.floor(scrapes / 2));
    await start(false);
    await pass(Math.ceil(scrapes / 2));
  };
  await withFakeTime(play, { next, config });
  return [...sandboxes.values()];
}

class Churned implements ChurnedSandbox {
  readonly isHostile: boolean;
  readings = 0;
  readonly faults: string[] = [];
  readonly #page: SimulatedPage;
  readonly #random: () => number;
  readonly #series = new Set<string>();
  readonly #met = new WeakSet<Family>();
  /** The names of the shim's own families, which are first on a Go shim's page. */
  readonly #hostNames: readonly string[];

  constructor(isHostile: boolean, seed: number) {
    this.isHostile = isHostile;
    this.#random = seededRandom(seed);
    this.#page = createPage({ flavor: "go", seed });
    const host = this.#page.renderWithoutAgent().toString("latin1");
    this.#hostNames = [...host.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) =>
      name.replace(/^(?=go_|process_)/, "kata_shim_"),
    );
  }

  get series(): number {
    return this.#series.size;
  }

  answer(socket: Socket): void {
    const honest = this.#page.render();
    const body = this.isHostile ? Buffer.concat([honest, Buffer.from(noise(this.#random))]) : honest;
    socket.end(
      Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`), body]),
    );
  }

  take({ schema, values }: Reading): void {
    this.readings++;
    const names = new Set<string>();
    const own = new Map<string, number>();
    for (const [index, family] of schema.families.entries()) {
      names.add(family.name);
      if (family.name.startsWith("kata_collector_"))
        own.set(family.name.slice("kata_collector_sandbox_".length), values[schema.offsets[index] ?? 0] ?? 0);
      else this.#meet(family);
    }
    const lost = this.#hostNames.find((name) => !names.has(name));
    if (lost !== undefined) this.#fault(`lacks ${lost}`);
    if (this.isHostile) return;
    const told = { up: own.get("up"), bad: own.get("bad_lines"), skipped: own.get("skipped_lines") };
    if (told.up !== 1 || told.bad !== 0 || told.skipped !== 0) this.#fault(JSON.stringify(told));
    if (own.get("scrape_samples") !== this.#page.samples)
      this.#fault(`${own.get("scrape_samples")} of ${this.#page.samples} samples`);
  }

  #meet(family: Family): void {
    if (this.#met.has(family)) return;
    this.#met.add(family);
    for (const { attributes, boundTexts } of family.points) {
      const labels = attributes.map(({ key, value }) => `${key}=${JSON.stringify(value)}`).sort();
      for (const bound of ["", ...boundTexts]) this.#series.add(`${family.name}{${labels.join()}} ${bound}`);
    }
  }

  #fault(text: string): void {
    if (this.faults.length < FAULTS_KEPT_MAX) this.faults.push(`reading ${this.readings}: ${text}`);
  }
}

type Noise = (tag: string, count: number) => string;

/** Makers of pages that are new in every scrape, by what is new in them. */
const NOISES: Readonly<Record<string, Noise>> = {
  names: (tag, count) =>
    many(count, (at) => `# TYPE kata_guest_${tag}_${at} gauge\nkata_guest_${tag}_${at} 1\n`),
  values_of_labels: (tag, count) =>
    `# TYPE kata_guest_churn gauge\n${many(count, (at) => `kata_guest_churn{item="${tag}_${at}"} 1\n`)}`,
  values_in_known_family: (tag, count) =>
    `# TYPE kata_guest_meminfo gauge\n${many(count, (at) => `kata_guest_meminfo{item="${tag}_${at}"} 1\n`)}`,
  texts: (tag, count) =>
    many(
      count,
      (at) => `# HELP kata_guest_t${at} ${tag}\n# TYPE kata_guest_t${at} gauge\nkata_guest_t${at} 1\n`,
    ),
  variants: (tag, count) =>
    many(
      Math.ceil(count / 20),
      (at) =>
        `# TYPE kata_guest_v${at} gauge\nkata_guest_v${at}{item="${tag}"} 1\nkata_guest_v${at}{item="b"} 2\n`,
    ),
  without_headers: (tag, count) => many(count, (at) => `kata_agent_${tag}${at}{item="a"} 1\n`),
};
const NOISE_NAMES = Object.keys(NOISES);

function many(count: number, line: (at: number) => string): string {
  return Array.from({ length: count }, (_, at) => line(at)).join("");
}

function noise(random: () => number): string {
  const tag = Math.floor(random() * 2 ** 40).toString(36);
  const pieces = 1 + below(3, random);
  return many(
    pieces,
    (at) => NOISES[pick(NOISE_NAMES, random)]?.(`${tag}${at}`, 1 + below(1_500, random)) ?? "",
  );
}
