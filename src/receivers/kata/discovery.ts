import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

export interface Root {
  readonly path: string;
  readonly runtime: "go" | "rs";
}

/** A sandbox's directory, as found. */
export interface FoundSandbox {
  readonly id: string;
  readonly runtime: "go" | "rs";
  readonly directory: string;
  /** Tells the directory from another one that takes its name later. */
  readonly identity: string;
  /** When the directory was made, in Unix milliseconds. */
  readonly bornMs: number;
}

export interface DiscoveryEvents {
  found(sandbox: FoundSandbox): void;
  gone(sandbox: FoundSandbox): void;
  /** A root could not be read, or can again (`error` undefined). What was found under it stays. */
  rootState(root: Root, error: string | undefined): void;
  /** Something under the root is no sandbox, though it looks like one. Once for each. */
  ignored(path: string, reason: string): void;
}

export interface DiscoveryOptions {
  readonly roots: readonly Root[];
  readonly sandboxesMax: number;
  readonly events: DiscoveryEvents;
}

const ID = /^[A-Za-z0-9_.-]{1,128}$/;

/**
 * Follows which sandboxes there are: each directory under a root is one, whatever anybody else says. The file system
 * is asked, never trusted to tell: `reconcile` compares what is there with what was there.
 */
export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #known = new Map<string, FoundSandbox & { readonly root: Root }>();
  readonly #ignored = new Set<string>();
  readonly #rootErrors = new Map<Root, string>();

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#known.size;
  }

  /**
   * Reads the roots and reports what came and went. With `thorough`, known directories are looked at too, which finds
   * one that was replaced under its name; otherwise names are compared. Never rejects.
   */
  async reconcile(thorough: boolean): Promise<void> {
    const ignored = new Set<string>();
    for (const root of this.#options.roots) await this.#reconcileRoot(root, { thorough, ignored });
    // What is no longer there may be reported again when it comes back.
    if (thorough) for (const path of this.#ignored) if (!ignored.has(path)) this.#ignored.delete(path);
  }

  async #reconcileRoot(root: Root, pass: { thorough: boolean; ignored: Set<string> }): Promise<void> {
    const names = await this.#names(root, pass.ignored);
    if (names === undefined) return;
    const present = new Set(names);
    for (const known of [...this.#known.values()]) {
      if (known.root !== root) continue;
      const same =
        present.has(known.id) &&
        (!pass.thorough || (await identify(known.directory))?.identity === known.identity);
      if (!same) this.#remove(known);
    }
    for (const id of names) {
      const known = this.#known.get(id);
      if (known?.root === root) continue;
      const path = join(root.path, id);
      if (known !== undefined) this.#ignore(path, "the same id is under another root", pass.ignored);
      else if (this.#known.size >= this.#options.sandboxesMax)
        this.#ignore(path, "more sandboxes than the limit", pass.ignored);
      else await this.#add(root, id);
    }
  }

  async #add(root: Root, id: string): Promise<void> {
    const directory = join(root.path, id);
    const found = await identify(directory);
    if (found === undefined) return;
    const sandbox = { id, runtime: root.runtime, directory, root, ...found };
    this.#known.set(id, sandbox);
    this.#options.events.found(sandbox);
  }

  #remove(sandbox: FoundSandbox): void {
    this.#known.delete(sandbox.id);
    this.#options.events.gone(sandbox);
  }

  /** The ids under the root; undefined where it cannot be read, which says nothing about what is in it. */
  async #names(root: Root, ignored: Set<string>): Promise<string[] | undefined> {
    try {
      const entries = await readdir(root.path, { withFileTypes: true });
      this.#rootState(root, undefined);
      return entries.flatMap((entry) => {
        const { name } = entry;
        if (entry.isDirectory() && isSandboxName(name, root)) return [name];
        if (entry.isSymbolicLink())
          this.#ignore(join(root.path, name), "a symbolic link is no sandbox", ignored);
        else if (entry.isDirectory() && !ID.test(name))
          this.#ignore(join(root.path, name), "not a sandbox id", ignored);
        return [];
      });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      // A root that is not there has no sandboxes; it may be made later.
      if (code === "ENOENT" || code === "ENOTDIR") {
        this.#rootState(root, undefined);
        return [];
      }
      this.#rootState(root, message);
      return undefined;
    }
  }

  #rootState(root: Root, error: string | undefined): void {
    if (this.#rootErrors.get(root) === error) return;
    if (error === undefined) this.#rootErrors.delete(root);
    else this.#rootErrors.set(root, error);
    this.#options.events.rootState(root, error);
  }

  #ignore(path: string, reason: string, ignored: Set<string>): void {
    ignored.add(path);
    if (this.#ignored.has(path)) return;
    this.#ignored.add(path);
    this.#options.events.ignored(path, reason);
  }
}

/** Firecracker's jailer keeps its own tree beside the sandboxes of runtime-rs. */
function isSandboxName(name: string, { runtime }: Root): boolean {
  return ID.test(name) && !(runtime === "rs" && name === "firecracker");
}

async function identify(directory: string): Promise<{ identity: string; bornMs: number } | undefined> {
  try {
    const { dev, ino, birthtimeMs, ctimeMs } = await lstat(directory);
    // Some file systems know no time of birth; the inode then has to do.
    return { identity: `${dev}:${ino}:${birthtimeMs}`, bornMs: birthtimeMs > 0 ? birthtimeMs : ctimeMs };
  } catch {
    // It went between two looks: the next one settles it.
    return undefined;
  }
}
