// SPDX-License-Identifier: Apache-2.0
import { type Dir, type Dirent, opendirSync } from "node:fs";
import { identityOf, keyBehind } from "./directory_identity.ts";
import { duplicateRoots } from "./duplicate_roots.ts";
import { FollowedSandboxes } from "./followed_sandboxes.ts";
import { type FoundSandbox, isStillThere, JAILER } from "./found_sandbox.ts";
import { IgnoredEntries } from "./ignored_entries.ts";
import type { Root, Runtime } from "./root.ts";
import { READABLE, type RootState, stateWithout } from "./root_state.ts";

/**
 * The reason why a sandbox is no longer followed.
 *
 * - `removed`: its directory is gone.
 * - `evicted`: it has no socket, and its place is needed for a sandbox that has one; or its root turned out to be the
 *   same directory as an earlier root, or to be of another runtime.
 */
export type Departure = "removed" | "evicted";

export interface DiscoveryEvents {
  found(sandbox: FoundSandbox): void;
  gone(sandbox: FoundSandbox, why: Departure): void;
  /** Reports the state of a root: at the first scan, and whenever it changes. */
  rootState(root: Root, state: RootState): void;
  /**
   * Reports something that is ignored although it looks like a sandbox: once for each root and reason, as long as the
   * reason lasts.
   */
  ignored(path: string, reason: string): void;
}

export interface DiscoveryOptions {
  readonly roots: readonly Root[];
  readonly sandboxesMax: number;
  readonly events: DiscoveryEvents;
  /** Returns milliseconds of a clock that only goes forward. */
  monotonicMs(): number;
  /** Returns whether a shim's socket is in the directory. Must not throw. */
  hasSocket(directory: string): boolean;
  /** Returns the id of another receiver that follows the directory with this identity; undefined if none does. */
  ownerOf(identityKey: string): string | undefined;
}

const ID = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}$/;

/**
 * The result of checking an entry of a root: nothing more is to be done, `limits::sandboxes` has no place for it, or
 * the error that kept it from being checked.
 */
type Checked = "done" | "no_place" | Error;

/**
 * The time for which one slice of a scan holds the event loop. A scan of a hundred thousand directories takes half a
 * second in all its slices.
 */
const SLICE_MS = 5;
/**
 * The most new sandboxes that one slice admits. The work that each one starts holds the event loop too, and sandboxes
 * that are admitted together are visited together later.
 */
const ADMITTED_MAX = 200;
/** The number of directory entries that Node reads from a root at a time. */
const ENTRIES = 256;

/**
 * Follows which sandboxes exist: each directory under a root is one, whatever the container runtime lists. Events of
 * the file system are not relied on: a scan compares the directories that exist with those that existed at the last scan.
 *
 * Nothing is remembered of a directory that is ignored, and each scan checks it anew. So a flood of directories costs no
 * memory, and none of them stays hidden for ever.
 */
export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #ignored: IgnoredEntries;
  readonly #followed = new FollowedSandboxes();
  readonly #rootStates = new Map<Root, RootState>();
  /** Roots that lead to the same directory as an earlier root in the config, each with that earlier root. */
  #duplicates: ReadonlyMap<Root, Root> = new Map();
  /**
   * Roots whose directory the config names again with another runtime, so that it is not known which of the two is
   * right.
   */
  #disputed: ReadonlySet<Root> = new Set();
  /** The scan under way. */
  #scan: Generator<void, void> | undefined;
  /** The number of sandboxes that the current slice has admitted. */
  #admitted = 0;
  #isClosed = false;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#ignored = new IgnoredEntries((path, reason) => options.events.ignored(path, reason));
  }

  get size(): number {
    return this.#followed.size;
  }

  /** The number of sandboxes that had no socket when they were last looked at. */
  get socketlessCount(): number {
    return this.#followed.socketlessCount;
  }

  /** Returns whether a sandbox with this identity is followed. */
  owns(identityKey: string): boolean {
    return this.#followed.withKey(identityKey) !== undefined;
  }

  /**
   * Scans the roots for some milliseconds and reports first the sandboxes that have ended and then the new ones.
   * Returns false if the scan is not finished: the next call continues it. Throws only the errors of `events`, which
   * end the scan.
   */
  reconcile(): boolean {
    const { monotonicMs } = this.#options;
    const scan = this.#scan ?? this.#scanAll();
    // If the scan throws, the next call begins another one.
    this.#scan = undefined;
    this.#admitted = 0;
    const untilMs = monotonicMs() + SLICE_MS;
    while (this.#admitted < ADMITTED_MAX && monotonicMs() < untilMs)
      if (scan.next().done === true) return true;
    this.#scan = scan;
    return false;
  }

  /**
   * Checks the directory of this name under the root, and reports if it is a new sandbox or if its sandbox has ended.
   * Returns true if the directory exists and `limits::sandboxes` leaves no place for it.
   */
  lookAt(root: Root, id: string): boolean {
    if (this.#isClosed) return false;
    const directory = directoryOf(root, id);
    const known = this.#followed.at(directory);
    if (known !== undefined && isStillThere(known)) return false;
    if (known !== undefined) this.#dismiss(known, "removed");
    if (!ID.test(id) || isJailersTree(root, id) || this.#duplicates.has(root)) return false;
    return this.#tryAdmit({ root, id, directory }) === "no_place" && keyBehind(directory) !== undefined;
  }

  /** Breaks off the scan under way. From now on nothing is reported. */
  close(): void {
    this.#isClosed = true;
    this.#scan?.return();
    this.#scan = undefined;
  }

  /** Yields after each entry, so that `reconcile` can stop there. */
  *#scanAll(): Generator<void, void> {
    const { roots } = this.#options;
    this.#ignored.begin();
    this.#duplicates = duplicateRoots(roots);
    const disputes = [...this.#duplicates].filter(
      ([duplicate, first]) => duplicate.runtime !== first.runtime,
    );
    this.#disputed = new Set(disputes.map(([, first]) => first));
    for (const sandbox of this.#followed.all()) {
      this.#recheck(sandbox);
      yield;
    }
    for (const root of roots) yield* this.#scanRoot(root);
    this.#ignored.end();
  }

  /** Drops the sandbox if it is gone, has been replaced under its name, or must be found anew with another runtime. */
  #recheck(sandbox: FoundSandbox): void {
    if (!isStillThere(sandbox)) this.#dismiss(sandbox, "removed");
    else if (this.#duplicates.has(sandbox.root) || sandbox.runtime !== this.#runtimeOf(sandbox.root))
      this.#dismiss(sandbox, "evicted");
    else this.#followed.noteSocket(sandbox, this.#options.hasSocket(sandbox.directory));
  }

  /** A root that cannot be listed says nothing about the sandboxes in it: they stay as they are. */
  *#scanRoot(root: Root): Generator<void, void> {
    const first = this.#duplicates.get(root);
    if (first !== undefined) {
      this.#ignoreRoot(root, first);
      return;
    }
    let dir: Dir | undefined;
    try {
      dir = opendirSync(root.path, { bufferSize: ENTRIES });
      let state: RootState | undefined;
      for (let entry = dir.readSync(); entry !== null; entry = dir.readSync()) {
        const checked = this.#checkEntry(root, entry);
        if (checked instanceof Error) state = stateWithout(root.path, checked);
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

  #ignoreRoot(root: Root, first: Root): void {
    const dispute = `, of runtime ${first.runtime} there and ${root.runtime} here: each of its sandboxes has to prove it`;
    const detail = `: ${first.path}${first.runtime === root.runtime ? "" : dispute}`;
    this.#ignored.note(root, "duplicate_root", { path: root.path, detail });
    this.#setState(root, READABLE);
  }

  #checkEntry(root: Root, entry: Dirent): Checked {
    const { name } = entry;
    const directory = directoryOf(root, name);
    if (entry.isSymbolicLink()) this.#ignored.note(root, "link", { path: directory });
    if (!entry.isDirectory() || isJailersTree(root, name)) return "done";
    if (ID.test(name))
      return this.#followed.at(directory) === undefined
        ? this.#tryAdmit({ root, id: name, directory })
        : "done";
    this.#ignored.note(root, "name", { path: directory });
    return "done";
  }

  /** Follows the directory unless `limits::sandboxes` leaves no place for it, or it is followed already. */
  #tryAdmit(place: Pick<FoundSandbox, "root" | "id" | "directory">): Checked {
    const { root, directory } = place;
    const hasSocket = this.#options.hasSocket(directory);
    if (!hasSocket && this.#isFull()) return this.#noPlace(root);
    try {
      const identity = identityOf(directory);
      // The directory was removed between the listing and this line.
      if (identity === undefined) return "done";
      const sandbox = { ...place, identity, runtime: this.#runtimeOf(root) };
      if (this.#isFollowed(sandbox)) return "done";
      if (this.#isFull() && !this.#evictOne()) return this.#noPlace(root);
      this.#admitted++;
      this.#followed.add(sandbox, hasSocket);
      this.#options.events.found(sandbox);
      return "done";
    } catch (error) {
      if (isSystemError(error)) return error;
      throw error;
    }
  }

  #runtimeOf(root: Root): Runtime {
    return this.#disputed.has(root) ? "unknown" : root.runtime;
  }

  #noPlace(root: Root): Checked {
    this.#ignored.note(root, "limit", { path: root.path });
    return "no_place";
  }

  #isFull(): boolean {
    return this.#followed.size >= this.#options.sandboxesMax;
  }

  /** Returns whether the directory is followed under another name, by this receiver or by another one. */
  #isFollowed({ root, directory, identity }: FoundSandbox): boolean {
    const other = this.#followed.withKey(identity.key);
    if (other !== undefined && isStillThere(other)) {
      this.#ignored.note(root, "duplicate_sandbox", { path: directory, detail: `: ${other.directory}` });
      return true;
    }
    // The directory was renamed, so the sandbox of its old name has ended.
    if (other !== undefined) this.#dismiss(other, "removed");
    const owner = this.#options.ownerOf(identity.key);
    if (owner !== undefined) this.#ignored.note(root, "owned", { path: directory, detail: `: ${owner}` });
    return owner !== undefined;
  }

  /** Evicts the oldest sandbox that still has no socket; returns false if all have a socket. */
  #evictOne(): boolean {
    for (const sandbox of this.#followed.socketless()) {
      const hasSocket = this.#options.hasSocket(sandbox.directory);
      if (!hasSocket) {
        this.#dismiss(sandbox, "evicted");
        return true;
      }
      this.#followed.noteSocket(sandbox, hasSocket);
    }
    return false;
  }

  #dismiss(sandbox: FoundSandbox, why: Departure): void {
    this.#followed.delete(sandbox);
    this.#options.events.gone(sandbox, why);
  }

  #setState(root: Root, state: RootState): void {
    const before = this.#rootStates.get(root);
    this.#rootStates.set(root, state);
    if (before?.state !== state.state || errorOf(before) !== errorOf(state))
      this.#options.events.rootState(root, state);
  }
}

/** A failed call to the kernel, which the node's state explains, has a code; any other error is a bug. */
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
