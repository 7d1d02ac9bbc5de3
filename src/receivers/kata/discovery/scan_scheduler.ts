// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../clock/clock.ts";
import type { Offers } from "../../../component/offers.ts";
import type { SandboxSource } from "../../../kata/sandboxes.ts";
import { statOf } from "./directory_identity.ts";
import { Discovery, type DiscoveryEvents } from "./discovery.ts";
import { type FoundSandbox, SOCKET_NAME } from "./found_sandbox.ts";
import type { Root } from "./root.ts";
import { RootWatch } from "./root_watch.ts";
import { watchFault } from "./watch_fault.ts";

export interface ScanSchedulerOptions {
  readonly clock: Clock;
  readonly roots: readonly Root[];
  readonly initialDelayMs: number;
  readonly reconcileIntervalMs: number;
  readonly sandboxesMax: number;
  readonly events: DiscoveryEvents;
  /** The id of the receiver that scans. */
  readonly id: string;
  /** The sandboxes of all receivers, since only one receiver may follow a directory. */
  readonly sources: Offers<SandboxSource>;
  /**
   * Called once for each fault, not for each try: until the fault is over, only periodic scans see what changes in the
   * root.
   */
  onWatchFault(path: string, error: Error): void;
}

/** The time from a hint to the check, so that the many hints of one pod's start or end are checked together. */
const HINT_DELAY_MS = 30;
/**
 * The most hinted names that are kept until they are checked. If there are more, the roots are scanned as a whole
 * instead.
 */
const NAMES_MAX = 256;
/**
 * The most newcomers that are kept, which are directories that were made lately and for which `limits::sandboxes` left
 * no place. There may be thousands without a socket, so only the latest are checked again.
 */
const NEWCOMERS_MAX = 256;
/**
 * The time within which the agent sees that a root was made, removed or replaced, or that a newcomer has got its
 * socket.
 */
const CHECK_MS = 1_000;
/**
 * The pause between two slices of a scan that is not periodic: the first one, or one that a change of a root or too
 * many hints caused.
 */
const URGENT_PAUSE_MS = 30;
/** The pause between two slices of a periodic scan. */
const PERIODIC_PAUSE_MS = 250;

/** A name under a root that may be a sandbox. */
interface Name {
  readonly root: Root;
  readonly id: string;
}

type TimerName = "scan" | "names" | "check";

/**
 * Decides when sandboxes are looked for. A name that a watcher hints at is checked soon after the hint, and all roots
 * are scanned every `reconcileIntervalMs`, so that a lost hint costs time and not a sandbox. A scan of very many
 * directories is made in slices with pauses between them.
 */
export class ScanScheduler {
  readonly #options: ScanSchedulerOptions;
  readonly #discovery: Discovery;
  readonly #watches: readonly RootWatch[];
  readonly #timers = new Map<TimerName, () => void>();
  /** Names that a watcher has hinted at, to be checked next. */
  readonly #names = new Map<string, Name>();
  /**
   * Directories that were made lately and for which `limits::sandboxes` leaves no place, the oldest first. They are
   * checked again every `CHECK_MS`.
   */
  readonly #newcomers = new Map<string, Name>();
  #isScanning = false;
  /** Whether a whole scan was requested that has not begun yet. */
  #isWanted = true;
  /** Whether the scan under way was requested. If not, it is a periodic one, which makes longer pauses. */
  #isUrgent = true;

  constructor(options: ScanSchedulerOptions) {
    this.#options = options;
    const { roots, sandboxesMax, clock, events } = options;
    this.#discovery = new Discovery({
      roots,
      sandboxesMax,
      events,
      hasSocket,
      monotonicMs: () => clock.monotonicMs(),
      ownerOf: (key) => this.#ownerOf(key),
    });
    this.#watches = roots.map((root) => this.#createWatch(root));
  }

  /** The number of sandboxes that had no socket when they were last looked at. */
  get socketlessCount(): number {
    return this.#discovery.socketlessCount;
  }

  start(): void {
    this.#after("scan", this.#options.initialDelayMs, () => this.#scan());
    this.#after("check", this.#options.initialDelayMs + CHECK_MS, () => this.#check());
  }

  /** Ends watching and scanning. From now on nothing is reported. */
  stop(): void {
    for (const cancel of this.#timers.values()) cancel();
    for (const watch of this.#watches) watch.close();
    this.#discovery.close();
  }

  /** Checks now whether the sandbox is gone and whether another one has its name. */
  lookAt({ root, id }: FoundSandbox): void {
    this.#discovery.lookAt(root, id);
  }

  /** Returns whether a directory with this identity is followed. */
  owns(identityKey: string): boolean {
    return this.#discovery.owns(identityKey);
  }

  #after(name: TimerName, delayMs: number, job: () => void): void {
    this.#timers.get(name)?.();
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(name);
      job();
    });
    this.#timers.set(name, cancel);
  }

  /** Makes one slice of a scan, and schedules the next one. */
  #scan(): void {
    if (!this.#isScanning) {
      this.#isScanning = true;
      this.#isUrgent = this.#isWanted;
      this.#isWanted = false;
      // Watching begins before the scan, so that hints report everything that is made too late for the scan to find.
      for (const watch of this.#watches) watch.arm();
    }
    this.#isScanning = !this.#discovery.reconcile();
    this.#after("scan", this.#pauseMs(), () => this.#scan());
  }

  #pauseMs(): number {
    if (this.#isScanning) return this.#isUrgent || this.#isWanted ? URGENT_PAUSE_MS : PERIODIC_PAUSE_MS;
    return this.#isWanted ? HINT_DELAY_MS : this.#options.reconcileIntervalMs;
  }

  /**
   * Requests a whole scan. A scan under way is finished quickly first, as it may have passed the place that changed.
   */
  #requestScan(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#after("scan", HINT_DELAY_MS, () => this.#scan());
  }

  #check(): void {
    if (this.#watches.some((watch) => watch.leadsElsewhere())) this.#requestScan();
    this.#checkNames(this.#newcomers);
    this.#after("check", CHECK_MS, () => this.#check());
  }

  #noteName(name: Name): void {
    this.#names.set(keyOf(name), name);
    if (this.#names.size > NAMES_MAX) {
      this.#names.clear();
      this.#requestScan();
    }
    // The first hint sets the time of the check, so that a stream of hints cannot put it off.
    if (!this.#timers.has("names")) this.#after("names", HINT_DELAY_MS, () => this.#checkNames(this.#names));
  }

  /**
   * Checks the names and empties the map. Directories for which there is no place become newcomers. The oldest
   * newcomers beyond `NEWCOMERS_MAX` are dropped.
   */
  #checkNames(names: Map<string, Name>): void {
    const all = [...names.values()];
    names.clear();
    for (const name of all)
      if (this.#discovery.lookAt(name.root, name.id)) this.#newcomers.set(keyOf(name), name);
    for (const key of this.#newcomers.keys()) {
      if (this.#newcomers.size <= NEWCOMERS_MAX) break;
      this.#newcomers.delete(key);
    }
  }

  /**
   * Returns the id of another receiver that follows the directory. A receiver with the same id as this one does not
   * count: during a reload the old and the new receiver exist side by side.
   */
  #ownerOf(identityKey: string): string | undefined {
    for (const [id, source] of this.#options.sources.all())
      if (id !== this.#options.id && source.owns(identityKey)) return id;
    return undefined;
  }

  #createWatch(root: Root): RootWatch {
    const { reconcileIntervalMs, onWatchFault } = this.#options;
    const { path } = root;
    return new RootWatch({
      path,
      onName: (id) => this.#noteName({ root, id }),
      onRoot: () => this.#requestScan(),
      onError: (error) => onWatchFault(path, new Error(watchFault(path, error, reconcileIntervalMs))),
    });
  }
}

function keyOf({ root, id }: Name): string {
  return `${root.path}/${id}`;
}

function hasSocket(directory: string): boolean {
  try {
    return statOf(`${directory}/${SOCKET_NAME}`)?.isSocket() === true;
  } catch {
    // The agent has no right to look into the directory. The sandbox is followed as one without a socket, and its state
    // says why.
    return false;
  }
}
