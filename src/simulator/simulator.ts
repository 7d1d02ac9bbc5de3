import { EventEmitter } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as delay, setInterval as ticks } from "node:timers/promises";
import { systemClock } from "../clock/clock.ts";
import { type CriServer, type SimulatedPod, startCriServer } from "./cri_server.ts";
import type { NumberStyle } from "./number_text.ts";
import type { PageSizes } from "./page_families.ts";
import { createPage } from "./pages.ts";
import { randomPod } from "./pod.ts";
import { seededRandom } from "./random.ts";
import { flavorOf, SANDBOX_FAULTS, type SandboxFault, shimFaultOf } from "./sandbox_faults.ts";
import { age, makeDirectory, outlive, writePersist, writeState } from "./sandbox_files.ts";
import { type Fault, type Shim, startShim } from "./shim.ts";

export interface SimulatorOptions {
  /** The roots are made below it: `run/vc/sbs` and `run/kata`. May be relative. */
  readonly dir: string;
  readonly sandboxes: number;
  readonly flavor: NumberStyle | "mixed";
  /** Sandboxes that end and are replaced by new ones, per minute. */
  readonly churnPerMinute?: number;
  /** How many sandboxes have which fault. */
  readonly faults?: Readonly<Partial<Record<SandboxFault, number>>>;
  /** How late "slow_shim" answers; 9 s if left out. */
  readonly answerDelayMs?: number | undefined;
  /** How long the runtime lists the pod of "leaked_vm"; 30 s if left out. */
  readonly leakDelayMs?: number | undefined;
  readonly seed?: number;
  /** How long guests boot: a Go shim's socket comes this much later than its directory, a state.json of runtime-rs than its socket. */
  readonly bootDelayMs?: number;
  /** Whether to serve CRI too; true if left out. */
  readonly cri?: boolean;
  readonly page?: PageSizes;
  /** Of runtime-rs sandboxes, as in their state.json; "dragonball" if left out. */
  readonly hypervisor?: string;
}

export interface SimulatedSandbox {
  readonly id: string;
  readonly flavor: NumberStyle;
  readonly pod: SimulatedPod;
  readonly directory: string;
  readonly socketPath: string;
  /** What it was made with, or what was set since. */
  readonly fault: SandboxFault;
  /** Whether the container runtime lists its pod. */
  readonly isListed: boolean;
  /** Undefined while the guest boots, and where there is none. */
  readonly shim: Shim | undefined;
  /** Takes effect at the next request; "refuse" at once. While the guest boots, it is kept for later. */
  setFault(fault: Fault): Promise<void>;
}

export interface AddOptions {
  readonly flavor?: NumberStyle;
  readonly fault?: SandboxFault;
  /** A pod that exists already; made up if left out. */
  readonly pod?: SimulatedPod;
}

export interface SimulatorEvents {
  /** The directory is there. */
  added: [SimulatedSandbox];
  /** The guest has booted, and the shim answers. */
  up: [SimulatedSandbox];
  ended: [SimulatedSandbox];
  /** A sandbox could not be made. Without a listener it is thrown. */
  error: [unknown];
}

/** A node's worth of sandboxes on real unix sockets, in the directory layouts of both runtimes, and its CRI. */
export interface Simulator {
  readonly goRoot: string;
  readonly rsRoot: string;
  readonly criEndpoint: string | undefined;
  readonly cri: CriServer | undefined;
  readonly sandboxes: ReadonlyMap<string, SimulatedSandbox>;
  readonly events: EventEmitter<SimulatorEvents>;
  add(options?: AddOptions): Promise<SimulatedSandbox>;
  /** As a pod is removed: its directory goes while the shim still runs, then the shim. */
  end(id: string): Promise<void>;
  close(): Promise<void>;
}

/** Rejects, and leaves nothing running, when a sandbox cannot be made. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const node = new SimulatedNode(options);
  try {
    await node.start();
  } catch (error) {
    await node.close();
    throw error;
  }
  return node;
}

const LEAK_DELAY_MS = 30_000;

interface Place {
  readonly flavor: NumberStyle;
  readonly pod: SimulatedPod;
  readonly directory: string;
}

class Sandbox implements SimulatedSandbox {
  readonly flavor: NumberStyle;
  readonly pod: SimulatedPod;
  readonly directory: string;
  readonly ending = new AbortController();
  boot: Promise<void> = Promise.resolve();
  shim: Shim | undefined;
  isListed = false;
  fault: SandboxFault;
  #booted = false;

  constructor({ flavor, pod, directory }: Place, fault: SandboxFault) {
    this.flavor = flavor;
    this.pod = pod;
    this.directory = directory;
    this.fault = fault;
  }

  get id(): string {
    return this.pod.id;
  }

  get socketPath(): string {
    return join(this.directory, "shim-monitor.sock");
  }

  async setFault(fault: Fault): Promise<void> {
    this.fault = fault;
    if (this.#booted) await this.shim?.setFault(fault);
  }

  async booted(): Promise<void> {
    this.#booted = true;
    await this.shim?.setFault(shimFaultOf(this.fault));
  }
}

class SimulatedNode implements Simulator {
  readonly goRoot: string;
  readonly rsRoot: string;
  readonly sandboxes = new Map<string, Sandbox>();
  readonly events = new EventEmitter<SimulatorEvents>();
  cri: CriServer | undefined;
  readonly #options: SimulatorOptions;
  readonly #random: () => number;
  readonly #closing = new AbortController();
  /** Absolute: gRPC takes the first part of a relative path for a host. */
  readonly #dir: string;
  #made = 0;
  #churn: Promise<void> = Promise.resolve();

  constructor(options: SimulatorOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed ?? 1);
    this.#dir = resolve(options.dir);
    this.goRoot = join(this.#dir, "run/vc/sbs");
    this.rsRoot = join(this.#dir, "run/kata");
  }

  get criEndpoint(): string | undefined {
    return this.cri?.endpoint;
  }

  async start(): Promise<void> {
    const { sandboxes, faults = {}, cri = true, churnPerMinute = 0 } = this.#options;
    await mkdir(this.goRoot, { recursive: true });
    await mkdir(this.rsRoot, { recursive: true });
    if (cri) this.cri = await startCriServer({ socketPath: join(this.#dir, "cri.sock") });
    const names = Object.keys(SANDBOX_FAULTS) as SandboxFault[];
    const wanted = names.flatMap((fault) => Array.from({ length: faults[fault] ?? 0 }, () => fault));
    for (let i = 0; i < sandboxes; i++) await this.add({ fault: wanted[i] ?? "none" });
    if (churnPerMinute > 0) this.#churn = this.#replace(60_000 / churnPerMinute);
  }

  async add(options: AddOptions = {}): Promise<SimulatedSandbox> {
    const { hypervisor = "dragonball", bootDelayMs = 0 } = this.#options;
    const { fault = "none" } = options;
    const flavor = this.#flavorFor(fault, options.flavor);
    this.#made++;
    const pod = options.pod ?? randomPod(this.#random, flavor === "go" ? "kata-qemu" : `kata-${hypervisor}`);
    const directory = join(flavor === "go" ? this.goRoot : this.rsRoot, pod.id);
    if (fault !== "no_directory") await makeDirectory(directory, flavor);
    const sandbox = new Sandbox({ flavor, pod, directory }, fault);
    this.sandboxes.set(pod.id, sandbox);
    this.events.emit("added", sandbox);
    const seed = Math.floor(this.#random() * 2 ** 32);
    sandbox.boot = this.#make(sandbox, seed);
    if (bootDelayMs === 0) await sandbox.boot;
    else sandbox.boot.catch((error: unknown) => this.#report(sandbox, error));
    return sandbox;
  }

  #flavorFor(fault: SandboxFault, asked: NumberStyle | undefined): NumberStyle {
    const { flavor } = this.#options;
    const wanted = asked ?? (flavor === "mixed" ? undefined : flavor);
    const needed = flavorOf(fault);
    if (wanted !== undefined && needed !== undefined && wanted !== needed)
      throw new Error(`cannot add sandbox with fault "${fault}": it needs flavor ${needed}, got "${wanted}"`);
    return wanted ?? needed ?? (this.#made % 2 === 0 ? "go" : "rs");
  }

  /** Makes what is there of the sandbox, in the order of the runtime that makes it. */
  async #make(sandbox: Sandbox, seed: number): Promise<void> {
    const { directory } = sandbox;
    switch (sandbox.fault) {
      case "no_directory":
        this.#list(sandbox);
        return;
      case "left_directory":
        return;
      case "dead_persist":
        await writePersist(directory);
        await age(join(directory, "persist.json"));
        return;
      case "old_state":
        await this.#bootForEver(sandbox, seed);
        return;
      default:
        await this.#boot(sandbox, seed);
    }
  }

  /** The state says that a scrape does no harm; it is not this guest's, and the socket is later. */
  async #bootForEver(sandbox: Sandbox, seed: number): Promise<void> {
    const { directory, socketPath } = sandbox;
    const statePath = join(directory, "state.json");
    await writeState(directory, sandbox.id, "dragonball");
    await age(statePath);
    sandbox.shim = await this.#startShim(sandbox, seed);
    await outlive(socketPath, statePath);
    await sandbox.booted();
  }

  async #boot(sandbox: Sandbox, seed: number): Promise<void> {
    const { hypervisor = "dragonball", bootDelayMs = 0 } = this.#options;
    const { flavor, directory, fault } = sandbox;
    const guestBoots = async (): Promise<void> => {
      if (bootDelayMs > 0) await delay(bootDelayMs, undefined, { signal: sandbox.ending.signal });
    };
    if (flavor === "go") {
      await writePersist(directory);
      await guestBoots();
      sandbox.shim = await this.#startShim(sandbox, seed);
    } else {
      // The socket is there at once, but its answers wait for the guest; what runs it is said at the very end.
      sandbox.shim = await this.#startShim(sandbox, seed);
      await sandbox.shim.setFault("hang");
      await guestBoots();
      await writeState(directory, sandbox.id, hypervisor);
    }
    await sandbox.booted();
    // Container runtimes list a sandbox once it has started: the shim may have been scraped before.
    this.#list(sandbox);
    this.events.emit("up", sandbox);
    if (fault === "leaked_vm") this.#leak(sandbox).catch((error: unknown) => this.#report(sandbox, error));
  }

  #startShim({ flavor, socketPath }: Sandbox, seed: number): Promise<Shim> {
    const { hypervisor = "dragonball", answerDelayMs, page: sizes } = this.#options;
    const page = createPage({ ...sizes, flavor, seed, hypervisor, clock: systemClock });
    return startShim({ flavor, socketPath, page, answerDelayMs });
  }

  /** The pod is deleted, and its shim and VM are forgotten. */
  async #leak(sandbox: Sandbox): Promise<void> {
    const { leakDelayMs = LEAK_DELAY_MS } = this.#options;
    await delay(leakDelayMs, undefined, { signal: sandbox.ending.signal });
    this.#unlist(sandbox);
  }

  #list(sandbox: Sandbox): void {
    this.cri?.add(sandbox.pod);
    sandbox.isListed = this.cri !== undefined;
  }

  #unlist(sandbox: Sandbox): void {
    this.cri?.remove(sandbox.id);
    sandbox.isListed = false;
  }

  /** A sandbox may end while it boots: that is no fault. */
  #report(sandbox: Sandbox, error: unknown): void {
    if (!sandbox.ending.signal.aborted) this.events.emit("error", error);
  }

  async end(id: string): Promise<void> {
    const sandbox = this.sandboxes.get(id);
    if (sandbox === undefined) return;
    this.sandboxes.delete(id);
    sandbox.ending.abort();
    // A shim may be making its socket just now.
    await rm(sandbox.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 10 });
    this.#unlist(sandbox);
    await Promise.allSettled([sandbox.boot]);
    await sandbox.shim?.close();
    this.events.emit("ended", sandbox);
  }

  /** Ends the oldest sandbox and adds a new one with its fault, again and again. */
  async #replace(everyMs: number): Promise<void> {
    const { signal } = this.#closing;
    try {
      for await (const _ of ticks(everyMs, undefined, { signal })) {
        const [oldest] = this.sandboxes.values();
        if (oldest !== undefined) await this.end(oldest.id);
        await this.add({ fault: oldest?.fault ?? "none" });
      }
    } catch (error) {
      if (!signal.aborted) this.events.emit("error", error);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#churn;
    for (const id of [...this.sandboxes.keys()]) await this.end(id);
    await this.cri?.close();
  }
}
