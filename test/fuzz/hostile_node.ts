// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPage } from "../../src/simulator/pages.ts";
import { randomPod } from "../../src/simulator/pod.ts";
import { seededRandom } from "../../src/simulator/random.ts";
import { freePort } from "../kit/free_port.ts";
import { type HostileAnswer, HostileShim } from "../kit/kata/hostile_shim.ts";
import { type SimulatedNode, startNode } from "../kit/node/simulated_node.ts";
import type { ForeignParser } from "../kit/page_parsers/foreign_parsers.ts";
import { hasProgram } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { residentMib } from "../kit/process_usage.ts";
import { type Prometheus, startPrometheus } from "../kit/prometheus.ts";
import { type PulledPage, pull } from "../kit/pulled_page.ts";
import { HonestPages } from "./honest_pages.ts";
import { CUTTING_TRICKS, hostileAnswer } from "./hostile_answers.ts";
import { type Author, type HostilePage, hostFamilies, hostilePage, MARKS } from "./hostile_pages.ts";
import { promtoolFault, type ScrapingPrometheus, startScrapingPrometheus } from "./judges.ts";
import { below, pick } from "./mutate.ts";
import {
  expectedLines,
  type Identity,
  identityText,
  type ReadPage,
  readPage,
  strangers,
} from "./page_checks.ts";
import { type PushJudges, startPushJudges } from "./push_judges.ts";
import { FORGED_LABEL, faultsOfHelp } from "./said_of_whom.ts";

export interface HostileNodeOptions {
  readonly seed: number;
  readonly rounds: number;
  /** The number of hostile sandboxes, half of them under each root. Each root also has an honest one. */
  readonly sandboxes: number;
  /** Parsers of other projects that judge every page. */
  readonly parsers: readonly ForeignParser[];
  /** Called after every round. */
  onRound?(round: number, summary: string): void;
}

/** A hostile sandbox and its answers in this round. */
interface Slot {
  readonly flavor: "go" | "rs";
  shim: HostileShim;
  identity: Identity;
  author: Author;
  /** The number of rounds since it was added. */
  age: number;
  /** Whether its page may have been cut in the round before: then the shim's own part may be missing. */
  wasCut: boolean;
  /** The answers, in the order of the requests of this round. */
  served: { page: HostilePage; answer: HostileAnswer }[];
}

const HOST_FAMILIES = { go: hostFamilies("go"), rs: hostFamilies("rs") };
const GO_HOST_PAGE = createPage({ flavor: "go", seed: 1 }).renderWithoutAgent().toString("latin1");
const REQUESTS_MIN = 3;
const WAIT_MS_MAX = 60_000;
/** A line of the log: time, level, message and fields, if there are any, without control characters. */
const LOG_LINE = /^\d{4}-\d\d-\d\dT[\d:.]+Z\t(info|warn|error)\t[A-Z][^\t]*\.(\t\{\P{Cc}*\})?$/u;
const FAULTS_TOLD_MAX = 12;

/**
 * Runs an agent with honest and hostile sandboxes. Throws in the first round in which the agent's pages are not as they
 * must be; the message has the seed and the folder of the pages.
 */
export async function runHostileNode(options: HostileNodeOptions): Promise<void> {
  const { seed } = options;
  const written = hasProgram("prometheus") ? await startWritten() : undefined;
  const pushes = await startPushJudges({
    writesTo: written && `${written.url}/api/v1/write`,
    identities: [],
  });
  const closePeers = async (): Promise<void> => {
    await pushes.close();
    await written?.close();
  };
  const node = await startNode({
    // The seed differs from the hostile sandboxes', so that the ids differ.
    simulator: { sandboxes: 2, flavor: "mixed", seed: seedOf(seed) },
    configure: ({ receivers, processors, exporters, service }) => {
      Object.assign(receivers["kata"] ?? {}, receiverConfig(seed));
      // Sandboxes that the runtime does not know are shown after this time.
      Object.assign(processors["cri_metadata"] ?? {}, { wait: "1s" });
      Object.assign(exporters, pushes.exporters);
      service.pipelines["metrics"]?.["exporters"]?.push(...Object.keys(pushes.exporters));
    },
  }).catch(async (error: unknown) => {
    await closePeers();
    throw error;
  });
  const hostile = new HostileNode(options, { node, pushes });
  try {
    await hostile.run();
  } finally {
    await hostile.close();
    await node.close();
    await closePeers();
  }
}

/** Starts a Prometheus that accepts remote writes and scrapes no agent. */
async function startWritten(): Promise<Prometheus> {
  return await startPrometheus(`127.0.0.1:${await freePort()}`, [], { takesWrites: true });
}

/**
 * Returns limits that a careful operator sets for scrapes of this agent: a sample has up to 8 labels of the shim's, 4 of
 * the sandbox's, its name, and the two of the target.
 */
function readerLimits(sandboxes: number): Readonly<Record<string, number | string>> {
  return {
    label_limit: 20,
    label_name_length_limit: 128,
    label_value_length_limit: 256,
    sample_limit: sandboxes * 3_100,
    body_size_limit: "64MB",
  };
}

/** Returns options of the receiver, chosen by the seed. */
function receiverConfig(seed: number): Record<string, unknown> {
  const random = seededRandom(seed);
  const more = [[], [], ["vendor_*"], ["vendor_*", "up", "scrape_*", "target_info"], ["kata_*"]];
  // A few shims that never end a large page would use up the memory of all pages, which is not tested here.
  const common = { samples: 3_000, page_memory_bytes: "1GiB" };
  const limits = [common, { ...common, new_layouts_per_minute: 100_000 }];
  return {
    collection_interval: "250ms",
    shim_families: pick(more, random),
    limits: pick(limits, random),
  };
}

/** Derives a seed from a seed and numbers. */
function seedOf(...numbers: readonly number[]): number {
  const mix = (state: number, number: number): number =>
    Math.floor(seededRandom(state ^ Math.imul(number + 1, 0x9e3779b1))() * 2 ** 32);
  return numbers.reduce(mix, 0);
}

/** Returns whether the agent waits for the end of an answer that has none, after which it pauses. */
function isSilent({ served }: Slot): boolean {
  return served.some(({ answer }) => answer.afterwards === "silence");
}

function isCut({ served }: Slot): boolean {
  return served.some(({ answer }) => CUTTING_TRICKS.has(answer.trick));
}

/** Returns what guests have put on the page that only the shim or the agent may write. */
function spokenForOthers({ lines, help }: ReadPage): string[] {
  const labels = lines.filter(({ series }) => series.includes(FORGED_LABEL));
  return [
    ...labels.map(({ series }) => `label that no guest may set: ${series.slice(0, 400)}`),
    ...[...help].flatMap(([name, text]) => faultsOfHelp(name, text)),
  ];
}

class HostileNode {
  readonly #options: HostileNodeOptions;
  readonly #node: SimulatedNode;
  readonly #pushes: PushJudges;
  readonly #honest: HonestPages;
  readonly #slots: Slot[] = [];
  readonly #random: () => number;
  #prometheus: ScrapingPrometheus | undefined;
  #ended: string[] = [];
  #round = 0;

  constructor(
    options: HostileNodeOptions,
    { node, pushes }: { readonly node: SimulatedNode; readonly pushes: PushJudges },
  ) {
    this.#options = options;
    this.#node = node;
    this.#pushes = pushes;
    this.#honest = new HonestPages([...node.simulator.sandboxes.values()]);
    this.#random = seededRandom(options.seed);
    pushes.know(this.#honest.identities);
  }

  async run(): Promise<void> {
    const { rounds, sandboxes, onRound } = this.#options;
    for (let i = 0; i < sandboxes; i++) this.#slots.push(await this.#newSlot(i % 2 === 0 ? "go" : "rs"));
    if (hasProgram("prometheus"))
      this.#prometheus = await startScrapingPrometheus(this.#node.listenAddress, readerLimits(sandboxes + 2));
    for (; this.#round < rounds; this.#round++) {
      await this.#prepare();
      await this.#beScraped();
      onRound?.(this.#round, await this.#judge());
    }
    await this.#bePulled();
  }

  async close(): Promise<void> {
    this.#honest.close();
    await this.#prometheus?.close();
    for (const { shim } of this.#slots) await shim.close();
  }

  async #newSlot(flavor: "go" | "rs"): Promise<Slot> {
    const { simulator } = this.#node;
    const pod = randomPod(this.#random, "kata");
    // The runtime may know fewer sandboxes than the file system.
    const isKnown = this.#random() < 0.8;
    if (isKnown) simulator.cri?.add(pod);
    const root = flavor === "go" ? simulator.goRoot : simulator.rsRoot;
    const { uid, name, namespace } = pod;
    const identity = isKnown
      ? { sandbox_id: pod.id, cri_uid: uid, cri_name: name, cri_namespace: namespace }
      : { sandbox_id: pod.id, cri_uid: "", cri_name: "", cri_namespace: "" };
    this.#pushes.know([identity]);
    const shim = new HostileShim({ root, id: pod.id, flavor });
    await shim.start();
    return { flavor, shim, identity, author: "guest", age: 0, wasCut: false, served: [] };
  }

  /** Replaces some sandboxes, and sets the answers of all of them for this round. */
  async #prepare(): Promise<void> {
    const { seed } = this.#options;
    this.#ended = [];
    for (const [index, slot] of this.#slots.entries()) {
      // Families of a shim that an attacker has taken over may stay on the page until the sandbox ends.
      if (isSilent(slot) || slot.author === "shim" || slot.age >= 1 + below(3, this.#random)) {
        await slot.shim.close();
        this.#node.simulator.cri?.remove(slot.shim.id);
        this.#ended.push(slot.shim.id);
        this.#slots[index] = await this.#newSlot(slot.flavor);
      } else slot.age++;
    }
    // A guest can do less than a shim, so that the page is checked more strictly in rounds with guests only.
    const withShims = this.#round % 2 === 1;
    for (const [index, slot] of this.#slots.entries()) {
      slot.author = withShims && index % 3 === this.#round % 3 ? "shim" : "guest";
      slot.wasCut = isCut(slot);
      slot.served = [];
      const { flavor, author } = slot;
      const victim = identityText(pick(this.#identities(), this.#random));
      slot.shim.serve((request) => {
        // Each page is sent twice: first its bytes are new to the agent, then known.
        const pageSeed = seedOf(seed, this.#round, index, request >> 1);
        const page = hostilePage({ flavor, author, victim, seed: pageSeed });
        const answer = hostileAnswer(page.bytes, pageSeed + (request & 1));
        slot.served.push({ page, answer });
        return answer;
      });
    }
  }

  #identities(): Identity[] {
    return [...this.#honest.identities, ...this.#slots.map(({ identity }) => identity)];
  }

  /** Waits until every hostile sandbox is on the page, and has been scraped twice since the round began. */
  async #beScraped(): Promise<void> {
    const place = `seed ${this.#options.seed}, round ${this.#round}`;
    const isAsked = (slot: Slot): boolean => slot.served.length >= REQUESTS_MIN || isSilent(slot);
    await poll(
      `the agent to ask every sandbox (${place})`,
      () => (this.#slots.every(isAsked) ? true : undefined),
      WAIT_MS_MAX,
    );
    const what = `hostile sandboxes to be on the page, and ended ones not (${place})`;
    const isUp = (page: string, id: string): boolean =>
      page.includes(`\nkata_collector_sandbox_up{sandbox_id="${id}"`);
    const isSettled = async (): Promise<true | undefined> => {
      const { body } = await pull(this.#node.listenAddress, "text");
      const hasAll = this.#slots.every((slot) => isUp(body, slot.shim.id) || isSilent(slot));
      return hasAll && !this.#ended.some((id) => isUp(body, id)) ? true : undefined;
    };
    await poll(what, isSettled, WAIT_MS_MAX);
  }

  /** Waits until Prometheus has pulled the last pages in both formats, and fails where it reports an error. */
  async #bePulled(): Promise<void> {
    const prometheus = this.#prometheus;
    if (prometheus === undefined) return;
    const before = prometheus.pulls;
    await poll("Prometheus to pull both formats", () => (prometheus.pulls >= before + 3 ? true : undefined));
    const { health, lastError } = await prometheus.server.target();
    const faults = [
      ...prometheus.takeErrors(),
      ...(health === "up" ? [] : [`target is ${health}: ${lastError}`]),
    ];
    const { write, otlp } = this.#pushes.requests;
    if (write === 0 || otlp === 0) faults.push(`${write} remote writes and ${otlp} OTLP requests were read`);
    if (faults.length > 0) await this.#fail(faults, []);
  }

  /** Judges the pages of the round and returns a summary. Throws where one has faults. */
  async #judge(): Promise<string> {
    const pages: PulledPage[] = [];
    const faults: string[] = [];
    let lines = 0;
    let forged = 0;
    for (const format of ["text", "openmetrics"] as const) {
      const page = await pull(this.#node.listenAddress, format);
      pages.push(page);
      if (page.status !== 200) faults.push(`status ${page.status}`);
      const read = readPage(page.body, format);
      faults.push(...(await this.#faultsByOthers(page, read.lines.length)));
      lines = read.lines.length;
      forged = read.lines.filter(({ valueText }) => Object.values(MARKS).includes(valueText)).length;
      faults.push(...read.faults, ...this.#faultsOf(read, format));
      faults.push(...(await this.#honest.faultsOf(read, () => this.#pullRead(format))));
    }
    for (const error of this.#prometheus?.takeErrors() ?? [])
      faults.push(`Prometheus: ${error} (one of the relayed pages)`);
    faults.push(...this.#pushes.takeFaults(), ...this.#faultsOfProcess());
    if (faults.length > 0) await this.#fail(faults, pages);
    const tricks = this.#slots.flatMap(({ served }) => served.map(({ answer }) => answer.trick));
    return `${lines} samples, ${forged} of them forged, ${residentMib(this.#node.agent.pid).toFixed(0)} MiB, ${tricks.length} answers, ${tricks.filter((trick) => trick === "none").length} of them whole`;
  }

  /** Returns the faults that parsers of other projects find; each must find this number of samples. */
  async #faultsByOthers({ format, body }: PulledPage, samples: number): Promise<string[]> {
    const asked = this.#options.parsers.filter(({ formats }) => formats.includes(format));
    const verdicts = asked.map(async (parser) => {
      const { fault, samples: found } = await parser.judge(body, format);
      if (fault === null && found === samples) return [];
      return [`${parser.name} finds ${found} of ${samples} samples: ${fault ?? "no fault"}`];
    });
    const promtool = async () => (format === "text" ? ((await promtoolFault(body)) ?? []) : []);
    return (await Promise.all([promtool(), ...verdicts])).flat();
  }

  async #pullRead(format: PulledPage["format"]): Promise<ReadPage> {
    return readPage((await pull(this.#node.listenAddress, format)).body, format);
  }

  #faultsOf(page: ReadPage, format: PulledPage["format"]): string[] {
    const faults = strangers(page, this.#identities());
    faults.push(...this.#forged(page), ...spokenForOthers(page));
    faults.push(...this.#lostOfHosts(page));
    const onlyGuests = this.#slots.every(({ author }) => author === "guest");
    if (onlyGuests && format === "text") {
      for (const [family, type] of this.#honest.types()) {
        const got = page.types.get(family);
        if (got !== type) faults.push(`${family} is of type ${got}, not ${type}`);
      }
    }
    return faults;
  }

  /** Returns forged lines under names that only the agent or the shim may use. */
  #forged(page: ReadPage): string[] {
    const faults: string[] = [];
    const slots = new Map(this.#slots.map((slot) => [slot.shim.id, slot]));
    const marks: readonly string[] = Object.values(MARKS);
    for (const { name, family, valueText, series, labels } of page.lines) {
      if (!marks.includes(valueText)) continue;
      if (/^kata_(monitor|collector)_|^otelcol_/.test(name)) faults.push(`forged: ${series}`);
      const slot = slots.get(labels.get("sandbox_id") ?? "");
      if (slot === undefined || slot.wasCut || isCut(slot) || valueText !== MARKS.guest) continue;
      if (HOST_FAMILIES[slot.flavor].has(family)) faults.push(`forged by a guest: ${series}`);
    }
    return faults;
  }

  /** Returns the Go shims' own lines that are missing: they come first on a page and must survive whatever follows. */
  #lostOfHosts(page: ReadPage): string[] {
    const shown = new Set(page.lines.map(({ series }) => series));
    const faults: string[] = [];
    for (const { flavor, author, served, identity } of this.#slots) {
      const isServed = served.every(({ answer }) => answer.trick === "none");
      if (flavor !== "go" || author !== "guest" || !isServed) continue;
      const wanted = [...expectedLines(GO_HOST_PAGE, identity).keys()];
      const missing = wanted.filter((series) => !shown.has(series));
      if (missing.length > 0) faults.push(`missing of the host's part of a guest's page: ${missing[0]}`);
    }
    return faults;
  }

  #faultsOfProcess(): string[] {
    const { agent } = this.#node;
    const faults: string[] = [];
    const lines = agent.stderr().split("\n").slice(0, -1);
    // A sandbox that could write control characters into a line could forge a whole line.
    const line = lines.find((one) => !LOG_LINE.test(one) || one.includes("BUG"));
    if (line !== undefined) faults.push(`the agent's log: ${JSON.stringify(line.slice(0, 500))}`);
    try {
      process.kill(agent.pid, 0);
    } catch {
      faults.push("the agent has ended");
    }
    return faults;
  }

  async #fail(faults: readonly string[], pages: readonly PulledPage[]): Promise<never> {
    const { seed, sandboxes } = this.#options;
    const folder = await keepEvidence({
      faults,
      pages,
      relayed: this.#prometheus?.pages ?? [],
      slots: this.#slots,
      log: this.#node.agent.stderr(),
    });
    const told = faults.slice(0, FAULTS_TOLD_MAX).join("\n  ");
    throw new Error(
      `seed ${seed}, sandboxes ${sandboxes}, round ${this.#round}: ${faults.length} faults; pages are in ${folder}\n  ${told}`,
    );
  }
}

/** Writes the pages, answers and log of a failed round into a new folder, which is not removed, and returns its path. */
async function keepEvidence({
  faults,
  pages,
  relayed,
  slots,
  log,
}: {
  readonly faults: readonly string[];
  /** The agent's pages of the round. */
  readonly pages: readonly PulledPage[];
  /** The pages that Prometheus got last. */
  readonly relayed: readonly PulledPage[];
  readonly slots: readonly Slot[];
  readonly log: string;
}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hostile-"));
  for (const { format, body } of pages) await writeFile(join(folder, `agent.${format}.txt`), body);
  for (const [index, page] of relayed.entries())
    await writeFile(join(folder, `relayed.${index}.${page.format}.txt`), page.body);
  for (const { shim, author, flavor, served } of slots) {
    for (const [request, { page, answer }] of served.entries()) {
      const name = `${shim.id.slice(0, 8)}.${flavor}.${author}.${request}.${answer.trick}.page`;
      await writeFile(join(folder, name), page.bytes);
    }
  }
  const tricks = slots.map(({ shim, served }) => [
    shim.id,
    served.map(({ page, answer }) => `${answer.trick}: ${page.tricks.join(" ")}`),
  ]);
  await writeFile(join(folder, "tricks.json"), JSON.stringify(Object.fromEntries(tricks), undefined, 2));
  await writeFile(join(folder, "faults.txt"), faults.join("\n"));
  await writeFile(join(folder, "agent.log"), log);
  return folder;
}
