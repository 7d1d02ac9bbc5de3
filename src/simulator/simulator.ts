import { EventEmitter } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay, setInterval as ticks } from "node:timers/promises";
import { type CriServer, type SimulatedPod, startCriServer } from "./cri_server.ts";
import type { NumberStyle } from "./number_text.ts";
import type { PageSizes } from "./page_families.ts";
import { createPage } from "./pages.ts";
import { randomPod } from "./pod.ts";
import { seededRandom } from "./random.ts";
import { FAULTS, type Fault, type Shim, startShim } from "./shim.ts";

export interface SimulatorOptions {
  /** The roots are made below it: `run/vc/sbs` and `run/kata`. */
  readonly dir: string;
  readonly sandboxes: number;
  readonly flavor: NumberStyle | "mixed";
  /** Sandboxes that end and are replaced by new ones, per minute. */
  readonly churnPerMinute?: number;
  /** How many sandboxes have which fault. */
  readonly faults?: Readonly<Partial<Record<Fault, number>>>;
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
  /** Undefined while the guest boots. */
  readonly shim: Shim | undefined;
  /** Takes effect at the next request; "refuse" at once. While the guest boots, it is kept for later. */
  setFault(fault: Fault): Promise<void>;
}

export interface AddOptions {
  readonly flavor?: NumberStyle;
  readonly fault?: Fault;
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
  #fault: Fault;
  #booted = false;

  constructor({ flavor, pod, directory }: Place, fault: Fault) {
    this.flavor = flavor;
    this.pod = pod;
    this.directory = directory;
    this.#fault = fault;
  }

  get id(): string {
    return this.pod.id;
  }

  get socketPath(): string {
    return join(this.directory, "shim-monitor.sock");
  }

  async setFault(fault: Fault): Promise<void> {
    this.#fault = fault;
    if (this.#booted) await this.shim?.setFault(fault);
  }

  async booted(): Promise<void> {
    this.#booted = true;
    await this.shim?.setFault(this.#fault);
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
  #made = 0;
  #churn: Promise<void> = Promise.resolve();

  constructor(options: SimulatorOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed ?? 1);
    this.goRoot = join(options.dir, "run/vc/sbs");
    this.rsRoot = join(options.dir, "run/kata");
  }

  get criEndpoint(): string | undefined {
    return this.cri?.endpoint;
  }

  async start(): Promise<void> {
    const { dir, sandboxes, faults = {}, cri = true, churnPerMinute = 0 } = this.#options;
    await mkdir(this.goRoot, { recursive: true });
    await mkdir(this.rsRoot, { recursive: true });
    if (cri) this.cri = await startCriServer({ socketPath: join(dir, "cri.sock") });
    const wanted = FAULTS.flatMap((fault) => Array.from({ length: faults[fault] ?? 0 }, () => fault));
    for (let i = 0; i < sandboxes; i++) await this.add({ fault: wanted[i] ?? "none" });
    if (churnPerMinute > 0) this.#churn = this.#replace(60_000 / churnPerMinute);
  }

  async add(options: AddOptions = {}): Promise<SimulatedSandbox> {
    const { flavor: wanted, hypervisor = "dragonball", bootDelayMs = 0 } = this.#options;
    const flavor = options.flavor ?? (wanted === "mixed" ? (this.#made % 2 === 0 ? "go" : "rs") : wanted);
    this.#made++;
    const pod = options.pod ?? randomPod(this.#random, flavor === "go" ? "kata-qemu" : `kata-${hypervisor}`);
    const directory = join(flavor === "go" ? this.goRoot : this.rsRoot, pod.id);
    await makeDirectory(directory, flavor);
    const sandbox = new Sandbox({ flavor, pod, directory }, options.fault ?? "none");
    this.sandboxes.set(pod.id, sandbox);
    this.events.emit("added", sandbox);
    const seed = Math.floor(this.#random() * 2 ** 32);
    sandbox.boot = this.#boot(sandbox, seed);
    if (bootDelayMs === 0) await sandbox.boot;
    else sandbox.boot.catch((error: unknown) => this.#report(sandbox, error));
    return sandbox;
  }

  async #boot(sandbox: Sandbox, seed: number): Promise<void> {
    const { hypervisor = "dragonball", bootDelayMs = 0, page: sizes } = this.#options;
    const { flavor, directory, socketPath } = sandbox;
    const page = createPage({ ...sizes, flavor, seed, hypervisor });
    const guestBoots = async (): Promise<void> => {
      if (bootDelayMs > 0) await delay(bootDelayMs, undefined, { signal: sandbox.ending.signal });
    };
    if (flavor === "go") {
      await writeFile(join(directory, "persist.json"), "{}", { mode: 0o600 });
      await guestBoots();
      sandbox.shim = await startShim({ flavor, socketPath, page });
    } else {
      // The socket is there at once, but its answers wait for the guest; what runs it is said at the very end.
      sandbox.shim = await startShim({ flavor, socketPath, page });
      await sandbox.shim.setFault("hang");
      await guestBoots();
      await writeFile(join(directory, "state.json"), renderState(sandbox.id, hypervisor));
    }
    await sandbox.booted();
    // Container runtimes list a sandbox once it has started: the shim may have been scraped before.
    this.cri?.add(sandbox.pod);
    this.events.emit("up", sandbox);
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
    this.cri?.remove(id);
    await Promise.allSettled([sandbox.boot]);
    await sandbox.shim?.close();
    this.events.emit("ended", sandbox);
  }

  /** Ends the oldest sandbox and adds a new one, again and again. */
  async #replace(everyMs: number): Promise<void> {
    const { signal } = this.#closing;
    try {
      for await (const _ of ticks(everyMs, undefined, { signal })) {
        const [oldest] = this.sandboxes.keys();
        if (oldest !== undefined) await this.end(oldest);
        await this.add();
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

async function makeDirectory(directory: string, flavor: NumberStyle): Promise<void> {
  try {
    await mkdir(directory, { mode: flavor === "go" ? 0o700 : 0o755 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new Error(
      `cannot add sandbox: directory "${directory}" exists; remove what another simulator has left there, or choose another seed`,
    );
  }
}

function renderState(id: string, hypervisor: string): string {
  return JSON.stringify({
    sandbox_type: "virtcontainer",
    hypervisor: { hypervisor_type: hypervisor, id },
  });
}
