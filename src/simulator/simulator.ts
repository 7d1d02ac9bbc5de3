// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as delay, setInterval as ticks } from "node:timers/promises";
import { type CriServer, type SimulatedPod, startCriServer } from "./cri_server.ts";
import type { NumberStyle } from "./number_text.ts";
import { randomPod } from "./pod.ts";
import { seededRandom } from "./random.ts";
import { flavorOf, SANDBOX_FAULTS, type SandboxFault } from "./sandbox_faults.ts";
import { makeSandboxDirectory } from "./sandbox_files.ts";
import { type Started, type StartOptions, startSandbox } from "./sandbox_start.ts";
import { NodeSandbox, type SimulatedSandbox } from "./simulated_sandbox.ts";

export interface SimulatorOptions extends StartOptions {
  /** The folder for the roots, `run/vc/sbs` and `run/kata`, which are made below it. It may be relative. */
  readonly dir: string;
  readonly sandboxes: number;
  readonly flavor: NumberStyle | "mixed";
  /** How many sandboxes end and are replaced by new ones per minute. */
  readonly churnPerMinute?: number;
  /** How many sandboxes have each fault. */
  readonly faults?: Readonly<Partial<Record<SandboxFault, number>>>;
  /** For how many milliseconds the runtime lists the pod of "leaked_vm"; 30,000 if left out. */
  readonly leakDelayMs?: number | undefined;
  readonly seed?: number;
  /** Whether to serve CRI too; true if left out. */
  readonly cri?: boolean;
}

export interface AddOptions {
  readonly flavor?: NumberStyle;
  readonly fault?: SandboxFault;
  /** The pod of the sandbox; a random one if left out. */
  readonly pod?: SimulatedPod;
}

export interface SimulatorEvents {
  /** Emitted when the directory of the sandbox exists. */
  added: [SimulatedSandbox];
  /** Emitted when the guest has booted and the shim answers. */
  up: [SimulatedSandbox];
  ended: [SimulatedSandbox];
  /** Emitted when a sandbox could not be made. Without a listener, the error is thrown. */
  error: [unknown];
}

/** A node: sandboxes on real unix sockets, in the directory layouts of both runtimes, and the CRI server that lists them. */
export interface Simulator {
  readonly goRoot: string;
  readonly rsRoot: string;
  readonly criEndpoint: string | undefined;
  readonly cri: CriServer | undefined;
  readonly sandboxes: ReadonlyMap<string, SimulatedSandbox>;
  readonly events: EventEmitter<SimulatorEvents>;
  add(options?: AddOptions): Promise<SimulatedSandbox>;
  /** Ends a sandbox as a pod is removed: its directory is removed while the shim still runs, and then the shim ends. */
  end(id: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts a node. Rejects if a sandbox cannot be made; nothing is left running then. */
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
/** The kernel's limit on the path of a unix socket, in bytes, without the zero at its end. */
const SOCKET_PATH_BYTES_MAX = 107;

class SimulatedNode implements Simulator {
  readonly goRoot: string;
  readonly rsRoot: string;
  readonly sandboxes = new Map<string, NodeSandbox>();
  readonly events = new EventEmitter<SimulatorEvents>();
  cri: CriServer | undefined;
  readonly #options: SimulatorOptions;
  readonly #random: () => number;
  readonly #closing = new AbortController();
  /** Must be absolute, because gRPC takes the first part of a relative path for a host. */
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
    if (cri) this.cri = await startCriServer({ socketPath: this.#criPath() });
    const names = Object.keys(SANDBOX_FAULTS) as SandboxFault[];
    const wanted = names.flatMap((fault) => Array.from({ length: faults[fault] ?? 0 }, () => fault));
    for (let i = 0; i < sandboxes; i++) await this.add({ fault: wanted[i] ?? "none" });
    if (churnPerMinute > 0) this.#churn = this.#replace(60_000 / churnPerMinute);
  }

  /**
   * Returns the path of the CRI socket. It must be within `SOCKET_PATH_BYTES_MAX`, because gRPC cannot open a longer
   * path, unlike the clients of shims.
   */
  #criPath(): string {
    const path = join(this.#dir, "cri.sock");
    if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path;
    throw new Error(
      `cannot serve CRI on "${path}": the path of a socket has at most ${SOCKET_PATH_BYTES_MAX} bytes; choose a shorter directory`,
    );
  }

  async add(options: AddOptions = {}): Promise<SimulatedSandbox> {
    const { hypervisor = "dragonball", bootDelayMs = 0 } = this.#options;
    const { fault = "none" } = options;
    const flavor = this.#flavorFor(fault, options.flavor);
    this.#made++;
    const pod = options.pod ?? randomPod(this.#random, flavor === "go" ? "kata-qemu" : `kata-${hypervisor}`);
    const directory = join(flavor === "go" ? this.goRoot : this.rsRoot, pod.id);
    if (fault !== "no_directory") await makeSandboxDirectory(directory, flavor);
    const sandbox = new NodeSandbox({ flavor, pod, directory }, fault);
    this.sandboxes.set(pod.id, sandbox);
    this.events.emit("added", sandbox);
    const seed = Math.floor(this.#random() * 2 ** 32);
    sandbox.boot = startSandbox(sandbox, { ...this.#options, seed }).then((started) =>
      this.#started(sandbox, started),
    );
    if (bootDelayMs === 0) await sandbox.boot;
    else sandbox.boot.catch((error: unknown) => this.#report(sandbox, error));
    return sandbox;
  }

  #flavorFor(fault: SandboxFault, asked: NumberStyle | undefined): NumberStyle {
    const { flavor } = this.#options;
    const wanted = asked ?? (flavor === "mixed" ? undefined : flavor);
    const needed = flavorOf(fault);
    if (wanted !== undefined && needed !== undefined && wanted !== needed)
      throw new Error(
        `cannot add sandbox with fault "${fault}": only ${needed} has it, got flavor "${wanted}"; choose mixed or ${needed}`,
      );
    return wanted ?? needed ?? (this.#made % 2 === 0 ? "go" : "rs");
  }

  #started(sandbox: NodeSandbox, { isUp, isPod }: Started): void {
    // Container runtimes list a sandbox after its start. The shim may have been scraped before that.
    if (isPod) this.#list(sandbox);
    if (isUp) this.events.emit("up", sandbox);
    if (sandbox.fault === "leaked_vm")
      this.#leak(sandbox).catch((error: unknown) => this.#report(sandbox, error));
  }

  /** Removes the pod from the runtime's list after `leakDelayMs`. Its shim and VM go on. */
  async #leak(sandbox: NodeSandbox): Promise<void> {
    const { leakDelayMs = LEAK_DELAY_MS } = this.#options;
    await delay(leakDelayMs, undefined, { signal: sandbox.ending.signal });
    this.#unlist(sandbox);
  }

  #list(sandbox: NodeSandbox): void {
    this.cri?.add(sandbox.pod);
    sandbox.isListed = this.cri !== undefined;
  }

  #unlist(sandbox: NodeSandbox): void {
    this.cri?.remove(sandbox.id);
    sandbox.isListed = false;
  }

  /** Reports an error of a sandbox, unless the sandbox has ended while it booted, which is no error. */
  #report(sandbox: NodeSandbox, error: unknown): void {
    if (!sandbox.ending.signal.aborted) this.events.emit("error", error);
  }

  async end(id: string): Promise<void> {
    const sandbox = this.sandboxes.get(id);
    if (sandbox === undefined) return;
    this.sandboxes.delete(id);
    sandbox.ending.abort();
    // A shim may just be making its socket, which makes the removal fail, so it is tried several times.
    await rm(sandbox.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 10 });
    // A boot that has just ended lists the pod, so the pod is unlisted only after the boot is over.
    await Promise.allSettled([sandbox.boot]);
    this.#unlist(sandbox);
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
