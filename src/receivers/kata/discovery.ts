import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Identity, identityOf } from "./identity.ts";

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
  readonly directory: string;
  readonly identity: Identity;
}

/** How it stands with a root. What was found under an unreadable one stays; a missing one has no sandboxes. */
export type RootState =
  | { readonly state: "readable" }
  | { readonly state: "missing" }
  | { readonly state: "unreadable"; readonly error: string }
  /** Its directory was removed while it was mounted here: only a restart mends it. */
  | { readonly state: "removed"; readonly error: string };

export interface DiscoveryEvents {
  found(sandbox: FoundSandbox): void;
  gone(sandbox: FoundSandbox): void;
  /** At the first look, and whenever it changes. */
  rootState(root: Root, state: RootState): void;
  /** Something is left out, though it looks like a sandbox. Once for each path, as long as it is there. */
  ignored(path: string, reason: string): void;
}

export interface DiscoveryOptions {
  readonly roots: readonly Root[];
  readonly sandboxesMax: number;
  readonly events: DiscoveryEvents;
}

const ID = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}$/;

/** Firecracker's jailer keeps its own tree of this name beside the sandboxes of runtime-rs. */
export const JAILER = "firecracker";

/** Sandboxes that one pass takes in: what each sets off holds the event loop, and all look again at one time. */
const ADMITTED_MAX = 200;

/**
 * Follows which sandboxes there are: each directory under a root is one, whatever anybody else says. The file system
 * is asked, never trusted to tell: `reconcile` compares what is there with what was there.
 */
export class Discovery {
  readonly #options: DiscoveryOptions;
  /** By directory. */
  readonly #known = new Map<string, FoundSandbox>();
  readonly #rootStates = new Map<Root, RootState>();
  #ignored = new Set<string>();

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#known.size;
  }

  /**
   * Reads the roots and reports what went and what came, in this order. Returns false where so many came that some are
   * left for the next pass, which should follow soon. Never throws.
   */
  reconcile(): boolean {
    const ignored = new Map<string, string>();
    const listings = this.#options.roots.map((root) => ({ root, names: this.#list(root, ignored) }));
    for (const { root, names } of listings) if (names !== undefined) this.#dismiss(root, new Set(names));
    const sizeMax = this.#known.size + ADMITTED_MAX;
    let complete = true;
    for (const { root, names = [] } of listings) {
      for (const id of names) {
        const directory = join(root.path, id);
        if (this.#known.has(directory)) continue;
        if (this.#known.size < sizeMax) this.#admit({ root, id, directory }, ignored);
        else complete = false;
      }
    }
    for (const [path, reason] of ignored)
      if (!this.#ignored.has(path)) this.#options.events.ignored(path, reason);
    this.#ignored = new Set(ignored.keys());
    return complete;
  }

  /** Drops what has gone from the root, or has been replaced under its name. */
  #dismiss(root: Root, present: ReadonlySet<string>): void {
    for (const sandbox of [...this.#known.values()]) {
      if (sandbox.root !== root || (present.has(sandbox.id) && isStillThere(sandbox))) continue;
      this.#known.delete(sandbox.directory);
      this.#options.events.gone(sandbox);
    }
  }

  #admit(place: Omit<FoundSandbox, "identity">, ignored: Map<string, string>): void {
    const { root, directory } = place;
    if (this.#known.size >= this.#options.sandboxesMax) {
      // One line for all of them: there may be thousands.
      ignored.set(root.path, "more sandboxes than limits::sandboxes; the excess is left out");
      return;
    }
    const identity = tryIdentityOf(directory);
    // It went between two looks, or cannot be looked at: the next pass settles it.
    if (identity === undefined) return;
    const sandbox: FoundSandbox = { ...place, identity };
    this.#known.set(directory, sandbox);
    this.#options.events.found(sandbox);
  }

  /** The ids under the root; undefined where it cannot be read, which says nothing about what is in it. */
  #list(root: Root, ignored: Map<string, string>): readonly string[] | undefined {
    try {
      const names: string[] = [];
      for (const entry of readdirSync(root.path, { withFileTypes: true })) {
        const { name } = entry;
        if (entry.isSymbolicLink()) ignored.set(join(root.path, name), "a symbolic link is no sandbox");
        if (!entry.isDirectory() || (root.runtime !== "go" && name === JAILER)) continue;
        if (ID.test(name)) names.push(name);
        else ignored.set(join(root.path, name), "not a sandbox id");
      }
      this.#rootState(root, { state: "readable" });
      return names;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const missing = code === "ENOENT";
      this.#rootState(root, missing ? { state: "missing" } : { state: "unreadable", error: message });
      return missing ? [] : undefined;
    }
  }

  #rootState(root: Root, state: RootState): void {
    const before = this.#rootStates.get(root);
    this.#rootStates.set(root, state);
    if (before?.state !== state.state) this.#options.events.rootState(root, state);
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

function tryIdentityOf(directory: string): Identity | undefined {
  try {
    return identityOf(directory);
  } catch {
    return undefined;
  }
}
