// SPDX-License-Identifier: Apache-2.0
import { type Dir, type Dirent, opendirSync } from "node:fs";
import { type Identity, identityOf, keyBehind } from "./identity.ts";
import { LeftOut } from "./left_out.ts";
import { READABLE, stateWithout } from "./root_state.ts";
import { twinsAmong } from "./twins.ts";

/** Whose sandboxes a root has; those under an unknown root have to prove it one by one. */
export type Runtime = "go" | "rs" | "unknown";

export interface Root {
  readonly path: string;
  readonly runtime: Runtime;
}

/** A sandbox's directory, as found. The same id may be found under two roots; directories are distinct. */
export interface FoundSandbox {
  readonly id: string;
  readonly root: Root;
  /** Of its root; unknown where the root's other name in the config says another one. */
  readonly runtime: Runtime;
  readonly directory: string;
  readonly identity: Identity;
}

/** How it stands with a root. What was found under an unreadable one stays; a missing or removed one has no sandboxes. */
export type RootState =
  | { readonly state: "readable" }
  | { readonly state: "missing" }
  | { readonly state: "unreadable"; readonly error: string }
  /** Its directory was removed while it was mounted here: only a restart mends it. */
  | { readonly state: "removed"; readonly error: string };

/**
 * Why a sandbox is not followed any more: its directory is not there, or it is let go, since it has no socket and one
 * that has one needs its place, or since its root turned out to be the same directory as another one.
 */
export type Departure = "removed" | "let_go";

export interface DiscoveryEvents {
  found(sandbox: FoundSandbox): void;
  gone(sandbox: FoundSandbox, why: Departure): void;
  /** At the first look, and whenever it changes. */
  rootState(root: Root, state: RootState): void;
  /** Something is left out, though it looks like a sandbox. Once for each root and reason, as long as there is one. */
  ignored(path: string, reason: string): void;
}

export interface DiscoveryOptions {
  readonly roots: readonly Root[];
  readonly sandboxesMax: number;
  readonly events: DiscoveryEvents;
  /** Milliseconds of a clock that only goes forward. */
  monotonicMs(): number;
  /** Whether a shim's socket is in the directory. Never throws. */
  hasSocket(directory: string): boolean;
  /** The other receiver that follows the directory with this identity, for the log; undefined where none does. */
  ownerOf(identityKey: string): string | undefined;
}

const ID = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}$/;

/** Firecracker's jailer keeps its own tree of this name beside the sandboxes of runtime-rs. */
export const JAILER = "firecracker";

/** What came of meeting a directory: an error is what kept it from being looked at. */
type Met = "settled" | "no_place" | Error;

/** A look holds the event loop so long at a time; a hundred thousand directories take half a second in all. */
const SLICE_MS = 5;
/** Sandboxes that one slice takes in: what each sets off holds the event loop, and all look again at one time. */
const ADMITTED_MAX = 200;
/** Entries that are read from a root at a time. */
const ENTRIES = 256;

/**
 * Follows which sandboxes there are: each directory under a root is one, whatever anybody else says. The file system
 * is asked, never trusted to tell: a look compares what is there with what was there.
 *
 * Of a directory that is left out nothing is remembered, and each look meets it anew: a flood of them costs no memory,
 * and none of them is hidden for good.
 */
export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #leftOut: LeftOut;
  /** By directory. */
  readonly #known = new Map<string, FoundSandbox>();
  /** The same by identity. */
  readonly #byKey = new Map<string, FoundSandbox>();
  /** Those of them that had no socket at the last look, the oldest first. */
  readonly #socketless = new Set<FoundSandbox>();
  readonly #rootStates = new Map<Root, RootState>();
  /** Roots that lead where an earlier one does, and that one. */
  #twins: ReadonlyMap<Root, Root> = new Map();
  /** Roots that a twin says to be of another runtime: which is right is not known. */
  #disputed: ReadonlySet<Root> = new Set();
  #look: Generator<void, void> | undefined;
  /** In this slice. */
  #admitted = 0;
  #isClosed = false;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#leftOut = new LeftOut((path, reason) => options.events.ignored(path, reason));
  }

  get size(): number {
    return this.#known.size;
  }

  /** How many of the sandboxes had no socket at the last look. */
  get socketlessCount(): number {
    return this.#socketless.size;
  }

  /** Whether a sandbox with this identity is followed. */
  owns(identityKey: string): boolean {
    return this.#byKey.has(identityKey);
  }

  /**
   * Looks at the roots for some milliseconds and reports what went and what came, in this order. Returns false where it
   * is not through: the next call goes on. Throws nothing but what an event throws.
   */
  reconcile(): boolean {
    const { monotonicMs } = this.#options;
    const look = this.#look ?? this.#lookAtAll();
    // One that throws is over.
    this.#look = undefined;
    this.#admitted = 0;
    const untilMs = monotonicMs() + SLICE_MS;
    while (this.#admitted < ADMITTED_MAX && monotonicMs() < untilMs)
      if (look.next().done === true) return true;
    this.#look = look;
    return false;
  }

  /**
   * Looks whether there is a sandbox of this name under the root, and reports it where it came or went. Returns true
   * where a directory is there for which there is no place.
   */
  lookAt(root: Root, id: string): boolean {
    if (this.#isClosed) return false;
    const directory = directoryOf(root, id);
    const known = this.#known.get(directory);
    if (known !== undefined && isStillThere(known)) return false;
    if (known !== undefined) this.#dismiss(known, "removed");
    if (!ID.test(id) || isJailersTree(root, id) || this.#twins.has(root)) return false;
    return this.#meet({ root, id, directory }) === "no_place" && keyBehind(directory) !== undefined;
  }

  /** Breaks off the look that is under way; nothing is reported any more. */
  close(): void {
    this.#isClosed = true;
    this.#look?.return();
    this.#look = undefined;
  }

  *#lookAtAll(): Generator<void, void> {
    const { roots } = this.#options;
    this.#leftOut.begin();
    this.#twins = twinsAmong(roots);
    const disputes = [...this.#twins].filter(([twin, first]) => twin.runtime !== first.runtime);
    this.#disputed = new Set(disputes.map(([, first]) => first));
    for (const sandbox of this.#known.values()) {
      this.#lookAgain(sandbox);
      yield;
    }
    for (const root of roots) yield* this.#lookInto(root);
    this.#leftOut.end();
  }

  /** Drops the sandbox if it has gone from its root, or has been replaced under its name. */
  #lookAgain(sandbox: FoundSandbox): void {
    if (!isStillThere(sandbox)) this.#dismiss(sandbox, "removed");
    else if (this.#twins.has(sandbox.root) || sandbox.runtime !== this.#runtimeOf(sandbox.root))
      this.#dismiss(sandbox, "let_go");
    else if (this.#options.hasSocket(sandbox.directory)) this.#socketless.delete(sandbox);
    else this.#socketless.add(sandbox);
  }

  /** One that cannot be listed says nothing about what is in it. */
  *#lookInto(root: Root): Generator<void, void> {
    const twin = this.#twins.get(root);
    if (twin !== undefined) {
      const dispute = `, of runtime ${twin.runtime} there and ${root.runtime} here: each of its sandboxes has to prove it`;
      const detail = `: ${twin.path}${twin.runtime === root.runtime ? "" : dispute}`;
      this.#leftOut.note(root, "twin", { path: root.path, detail });
      this.#setState(root, READABLE);
      return;
    }
    let dir: Dir | undefined;
    try {
      dir = opendirSync(root.path, { bufferSize: ENTRIES });
      let state: RootState | undefined;
      for (let entry = dir.readSync(); entry !== null; entry = dir.readSync()) {
        const met = this.#meetEntry(root, entry);
        if (met instanceof Error) state = stateWithout(root.path, met);
        state ??= READABLE;
        yield;
      }
      this.#setState(root, state ?? stateWithout(root.path));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.#setState(root, stateWithout(root.path, error));
    } finally {
      dir?.closeSync();
    }
  }

  #meetEntry(root: Root, entry: Dirent): Met {
    const { name } = entry;
    const directory = directoryOf(root, name);
    if (entry.isSymbolicLink()) this.#leftOut.note(root, "link", { path: directory });
    if (!entry.isDirectory() || isJailersTree(root, name)) return "settled";
    if (ID.test(name))
      return this.#known.has(directory) ? "settled" : this.#meet({ root, id: name, directory });
    this.#leftOut.note(root, "name", { path: directory });
    return "settled";
  }

  /** Takes the directory in unless it has no place, or is followed already. */
  #meet(place: Pick<FoundSandbox, "root" | "id" | "directory">): Met {
    const { root, directory } = place;
    const hasSocket = this.#options.hasSocket(directory);
    if (!hasSocket && this.#isFull()) return this.#lacksPlace(root);
    try {
      const identity = identityOf(directory);
      // It went between two looks.
      if (identity === undefined) return "settled";
      const sandbox = { ...place, identity, runtime: this.#runtimeOf(root) };
      if (this.#isFollowed(sandbox)) return "settled";
      if (this.#isFull() && !this.#letOneGo()) return this.#lacksPlace(root);
      this.#admit(sandbox, hasSocket);
      return "settled";
    } catch (error) {
      if (isSystemError(error)) return error;
      throw error;
    }
  }

  #runtimeOf(root: Root): Runtime {
    return this.#disputed.has(root) ? "unknown" : root.runtime;
  }

  #lacksPlace(root: Root): Met {
    this.#leftOut.note(root, "limit", { path: root.path });
    return "no_place";
  }

  #isFull(): boolean {
    return this.#known.size >= this.#options.sandboxesMax;
  }

  /** Whether the directory is followed under another name, here or by another receiver. */
  #isFollowed({ root, directory, identity }: FoundSandbox): boolean {
    const other = this.#byKey.get(identity.key);
    if (other !== undefined && isStillThere(other)) {
      this.#leftOut.note(root, "double", { path: directory, detail: `: ${other.directory}` });
      return true;
    }
    // It was renamed.
    if (other !== undefined) this.#dismiss(other, "removed");
    const owner = this.#options.ownerOf(identity.key);
    if (owner !== undefined) this.#leftOut.note(root, "owned", { path: directory, detail: `: ${owner}` });
    return owner !== undefined;
  }

  /** Makes a place of one that still has no socket; false where all have one. */
  #letOneGo(): boolean {
    for (const sandbox of this.#socketless) {
      this.#socketless.delete(sandbox);
      if (this.#options.hasSocket(sandbox.directory)) continue;
      this.#dismiss(sandbox, "let_go");
      return true;
    }
    return false;
  }

  #admit(sandbox: FoundSandbox, hasSocket: boolean): void {
    this.#admitted++;
    this.#known.set(sandbox.directory, sandbox);
    this.#byKey.set(sandbox.identity.key, sandbox);
    if (!hasSocket) this.#socketless.add(sandbox);
    this.#options.events.found(sandbox);
  }

  #dismiss(sandbox: FoundSandbox, why: Departure): void {
    this.#known.delete(sandbox.directory);
    this.#byKey.delete(sandbox.identity.key);
    this.#socketless.delete(sandbox);
    this.#options.events.gone(sandbox, why);
  }

  #setState(root: Root, state: RootState): void {
    const before = this.#rootStates.get(root);
    this.#rootStates.set(root, state);
    if (before?.state !== state.state || errorOf(before) !== errorOf(state))
      this.#options.events.rootState(root, state);
  }
}

/** Whether the directory is the one that was found. True where that cannot be known: a doubt ends no sandbox. */
export function isStillThere({ directory, identity }: FoundSandbox): boolean {
  try {
    return identityOf(directory)?.key === identity.key;
  } catch {
    return true;
  }
}

/** Whether a call to the kernel failed, which the node's state explains; anything else is a bug. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "code" in error;
}

function isJailersTree({ runtime }: Root, name: string): boolean {
  return runtime !== "go" && name === JAILER;
}

function directoryOf(root: Root, id: string): string {
  return `${root.path}/${id}`;
}

function errorOf(state: RootState): string {
  return "error" in state ? state.error : "";
}
