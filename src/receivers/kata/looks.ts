// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../clock/clock.ts";
import type { Offers } from "../../component/offers.ts";
import type { SandboxSource } from "../../kata/sandboxes.ts";
import { Discovery, type DiscoveryEvents, type FoundSandbox, type Root } from "./discovery.ts";
import { statOf } from "./identity.ts";
import { SOCKET_NAME } from "./readiness.ts";
import { RootWatch } from "./watch.ts";
import { watchFault } from "./watch_fault.ts";

export interface LooksOptions {
  readonly clock: Clock;
  readonly roots: readonly Root[];
  readonly initialDelayMs: number;
  readonly reconcileIntervalMs: number;
  readonly sandboxesMax: number;
  readonly events: DiscoveryEvents;
  /** Of the receiver that looks. */
  readonly id: string;
  /** All receivers' sandboxes: a directory is followed by one receiver. */
  readonly sources: Offers<SandboxSource>;
  /** The root's changes are seen at the next periodic look only. Called once for each fault, not for each try. */
  onWatchFault(path: string, error: Error): void;
}

/** From a hint to the look: many come together when a pod starts or ends. */
const HINT_DELAY_MS = 30;
/** Names that are remembered until they are looked at; past them the roots are looked at as a whole. */
const NAMES_MAX = 256;
/** Of directories that came lately and have no place, since thousands have no socket either: so many are looked at again. */
const NEWCOMERS_MAX = 256;
/** How soon it is seen that a root came, went or was replaced, or that a newcomer has got its socket. */
const CHECK_MS = 1_000;
/** Between two slices of a look that something asked for, and of one whose time has come. */
const BRISK_MS = 30;
const CALM_MS = 250;

/** What may be a sandbox. */
interface Name {
  readonly root: Root;
  readonly id: string;
}

type TimerName = "look" | "names" | "check";

/**
 * Sees to it that the roots are looked at: at the names that a watcher hints at, and every `reconcileIntervalMs` at
 * everything, so that a lost hint costs time and not a sandbox. A look at very many directories is made in slices.
 */
export class Looks {
  readonly #options: LooksOptions;
  readonly #discovery: Discovery;
  readonly #watches: readonly RootWatch[];
  readonly #timers = new Map<TimerName, () => void>();
  /** What to look at next. */
  readonly #names = new Map<string, Name>();
  /** What to look at again, the oldest first. */
  readonly #newcomers = new Map<string, Name>();
  #isUnderWay = false;
  /** Something asked for a look that begins from now on. */
  #isWanted = true;
  #isBrisk = true;

  constructor(options: LooksOptions) {
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
    this.#watches = roots.map((root) => this.#watchOf(root));
  }

  /** How many sandboxes had no socket at the last look. */
  get socketlessCount(): number {
    return this.#discovery.socketlessCount;
  }

  start(): void {
    this.#after("look", this.#options.initialDelayMs, () => this.#look());
    this.#after("check", this.#options.initialDelayMs + CHECK_MS, () => this.#check());
  }

  /** Nothing is watched and reported any more. */
  stop(): void {
    for (const cancel of this.#timers.values()) cancel();
    for (const watch of this.#watches) watch.close();
    this.#discovery.close();
  }

  /** Looks now whether the sandbox has gone, and what came in its place. */
  lookAt({ root, id }: FoundSandbox): void {
    this.#discovery.lookAt(root, id);
  }

  /** Whether a directory with this identity is followed. */
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

  /** Makes one slice of a look, and sees to the next one. */
  #look(): void {
    if (!this.#isUnderWay) {
      this.#isUnderWay = true;
      this.#isBrisk = this.#isWanted;
      this.#isWanted = false;
      // What comes from now on is hinted at, what came before is found.
      for (const watch of this.#watches) watch.arm();
    }
    this.#isUnderWay = !this.#discovery.reconcile();
    this.#after("look", this.#pauseMs(), () => this.#look());
  }

  #pauseMs(): number {
    if (this.#isUnderWay) return this.#isBrisk || this.#isWanted ? BRISK_MS : CALM_MS;
    return this.#isWanted ? HINT_DELAY_MS : this.#options.reconcileIntervalMs;
  }

  /** A look that is under way is made briskly to its end first: it has passed what is to be looked at, perhaps. */
  #want(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#after("look", HINT_DELAY_MS, () => this.#look());
  }

  #check(): void {
    if (this.#watches.some((watch) => watch.leadsElsewhere())) this.#want();
    this.#lookAtNames(this.#newcomers);
    this.#after("check", CHECK_MS, () => this.#check());
  }

  #noteName(name: Name): void {
    this.#names.set(keyOf(name), name);
    if (this.#names.size > NAMES_MAX) {
      this.#names.clear();
      this.#want();
    }
    // The first hint sets the time of the look, so that a stream of them cannot put it off.
    if (!this.#timers.has("names")) this.#after("names", HINT_DELAY_MS, () => this.#lookAtNames(this.#names));
  }

  /** Empties the names. Those for which there is no place become newcomers, the oldest of which give way. */
  #lookAtNames(names: Map<string, Name>): void {
    const all = [...names.values()];
    names.clear();
    for (const name of all)
      if (this.#discovery.lookAt(name.root, name.id)) this.#newcomers.set(keyOf(name), name);
    for (const key of this.#newcomers.keys()) {
      if (this.#newcomers.size <= NEWCOMERS_MAX) break;
      this.#newcomers.delete(key);
    }
  }

  /** Another receiver; one of the same id is the one that this one takes the place of, or the other way round. */
  #ownerOf(identityKey: string): string | undefined {
    for (const [id, source] of this.#options.sources.all())
      if (id !== this.#options.id && source.owns(identityKey)) return id;
    return undefined;
  }

  #watchOf(root: Root): RootWatch {
    const { reconcileIntervalMs, onWatchFault } = this.#options;
    const { path } = root;
    return new RootWatch({
      path,
      onName: (id) => this.#noteName({ root, id }),
      onRoot: () => this.#want(),
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
    // Nobody may look into it: it is followed as one without, which says why.
    return false;
  }
}
