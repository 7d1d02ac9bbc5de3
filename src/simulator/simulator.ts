import { EventEmitter } from "node:events";
import { link, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CriServer, type SimulatedPod, startCriServer } from "./cri_server.ts";
import { createPage } from "./pages.ts";
import { randomPod } from "./pod.ts";
import { seededRandom } from "./random.ts";
import { type Fault, type Shim, startShim } from "./shim.ts";

export interface SimulatorOptions {
  /** The roots are made below it: `run/vc/sbs` and `run/kata`. */
  readonly dir: string;
  readonly sandboxes: number;
  readonly flavor: "go" | "rs" | "mixed";
  /** Sandboxes that end and are replaced by new ones, per minute. */
  readonly churnPerMinute?: number;
  /** How many sandboxes have which fault. */
  readonly faults?: Readonly<Partial<Record<Fault, number>>>;
  readonly seed?: number;
  /** A Go shim's socket comes this much later than its directory. */
  readonly bootDelayMs?: number;
  /** Whether to serve CRI too; true if left out. */
  readonly cri?: boolean;
  readonly disks?: number;
  /** Of runtime-rs sandboxes, as in their state.json. */
  readonly hypervisor?: string;
}

export interface SimulatedSandbox {
  readonly id: string;
  readonly flavor: "go" | "rs";
  readonly pod: SimulatedPod;
  readonly directory: string;
  readonly socketPath: string;
  /** Undefined while the guest boots. */
  readonly shim: Shim | undefined;
  /** Takes effect at the next request; "refuse" at once. */
  setFault(fault: Fault): Promise<void>;
}

export interface AddOptions {
  readonly flavor?: "go" | "rs";
  readonly fault?: Fault;
  /** A pod that exists already; made up if left out. */
  readonly pod?: SimulatedPod;
}

export interface SimulatorEvents {
  /** The directory is there. */
  added: [SimulatedSandbox];
  ended: [SimulatedSandbox];
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

export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const node = new SimulatedNode(options);
  await node.start();
  return node;
}

class Sandbox implements SimulatedSandbox {
  readonly flavor: "go" | "rs";
  readonly pod: SimulatedPod;
  readonly directory: string;
  shim: Shim | undefined;
  fault: Fault;
  cancelBoot: () => void = () => {};

  constructor(place: { flavor: "go" | "rs"; pod: SimulatedPod; directory: string; fault: Fault }) {
    this.flavor = place.flavor;
    this.pod = place.pod;
    this.directory = place.directory;
    this.fault = place.fault;
  }

  get id(): string {
    return this.pod.id;
  }

  get socketPath(): string {
    return join(this.directory, "shim-monitor.sock");
  }

  async setFault(fault: Fault): Promise<void> {
    this.fault = fault;
    if (this.shim === undefined) return;
    this.shim.fault = fault;
    if (fault === "refuse") await this.refuse();
  }

  /** Leaves the socket's file behind with nobody listening, as a shim that was killed does. */
  async refuse(): Promise<void> {
    const kept = join(this.directory, ".kept.sock");
    // A server that closes removes its own name of the socket, not another one.
    await link(this.socketPath, kept);
    await this.shim?.close();
    await rename(kept, this.socketPath);
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
  #made = 0;
  #churn: NodeJS.Timeout | undefined;
  #replacing: Promise<void> = Promise.resolve();

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
    const wanted = Object.entries(faults).flatMap(([fault, count]) =>
      Array.from({ length: count ?? 0 }, () => fault as Fault),
    );
    for (let i = 0; i < sandboxes; i++) await this.add({ fault: wanted[i] ?? "none" });
    if (churnPerMinute > 0) {
      this.#churn = setInterval(() => {
        this.#replacing = this.#replacing.then(() => this.#replaceOldest());
      }, 60_000 / churnPerMinute);
    }
  }

  async add(options: AddOptions = {}): Promise<SimulatedSandbox> {
    const { flavor: wanted } = this.#options;
    const flavor = options.flavor ?? (wanted === "mixed" ? (this.#made % 2 === 0 ? "go" : "rs") : wanted);
    this.#made++;
    const hypervisor = this.#options.hypervisor ?? "dragonball";
    const pod = options.pod ?? randomPod(this.#random, flavor === "go" ? "kata-qemu" : `kata-${hypervisor}`);
    const directory = join(flavor === "go" ? this.goRoot : this.rsRoot, pod.id);
    const sandbox = new Sandbox({ flavor, pod, directory, fault: options.fault ?? "none" });
    this.sandboxes.set(pod.id, sandbox);
    this.cri?.add(pod);
    await mkdir(directory, { mode: flavor === "go" ? 0o700 : 0o755 });
    this.events.emit("added", sandbox);
    if (flavor === "go") await this.#bootGo(sandbox);
    else await this.#bootRs(sandbox, hypervisor);
    return sandbox;
  }

  /** The Go shim makes its directory early and its socket when the guest has booted. */
  async #bootGo(sandbox: Sandbox): Promise<void> {
    await writeFile(join(sandbox.directory, "persist.json"), "{}", { mode: 0o600 });
    const { bootDelayMs = 0 } = this.#options;
    if (bootDelayMs === 0) return await this.#listen(sandbox);
    const timer = setTimeout(() => {
      this.#listen(sandbox).catch((error: unknown) => {
        // The sandbox may have ended while it booted; its directory is then gone.
        if (this.sandboxes.has(sandbox.id)) throw error;
      });
    }, bootDelayMs);
    sandbox.cancelBoot = () => clearTimeout(timer);
  }

  /** runtime-rs makes its socket first, and says what runs the guest when the sandbox has started. */
  async #bootRs(sandbox: Sandbox, hypervisor: string): Promise<void> {
    await this.#listen(sandbox);
    const state = {
      sandbox_type: "virtcontainer",
      hypervisor: { hypervisor_type: hypervisor, id: sandbox.id },
    };
    await writeFile(join(sandbox.directory, "state.json"), JSON.stringify(state));
  }

  async #listen(sandbox: Sandbox): Promise<void> {
    const { disks } = this.#options;
    const sizes = disks === undefined ? {} : { disks };
    const page = createPage({ flavor: sandbox.flavor, seed: Math.floor(this.#random() * 2 ** 32), ...sizes });
    sandbox.shim = await startShim({ flavor: sandbox.flavor, socketPath: sandbox.socketPath, page });
    await sandbox.setFault(sandbox.fault);
  }

  async end(id: string): Promise<void> {
    const sandbox = this.sandboxes.get(id);
    if (sandbox === undefined) return;
    this.sandboxes.delete(id);
    sandbox.cancelBoot();
    await rm(sandbox.directory, { recursive: true, force: true });
    this.cri?.remove(id);
    await sandbox.shim?.close();
    this.events.emit("ended", sandbox);
  }

  async #replaceOldest(): Promise<void> {
    const [oldest] = this.sandboxes.keys();
    if (oldest !== undefined) await this.end(oldest);
    await this.add();
  }

  async close(): Promise<void> {
    clearInterval(this.#churn);
    await this.#replacing;
    for (const id of [...this.sandboxes.keys()]) await this.end(id);
    await this.cri?.close();
  }
}
