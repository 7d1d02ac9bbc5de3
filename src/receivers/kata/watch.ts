import { existsSync } from "node:fs";
import { dirname, relative, sep } from "node:path";
import { type FSWatcher, watch } from "chokidar";
import type { Root } from "./discovery.ts";

/** Files of a sandbox whose coming is worth a look. */
const FILES: readonly string[] = ["shim-monitor.sock", "state.json"];

export interface WatchOptions {
  /** Something changed under a root; `id` where it is known which sandbox's files. */
  onHint(id: string | undefined): void;
  /** The watcher cannot do its work: sandboxes are then found by reconciling alone. */
  onError(error: Error): void;
}

/**
 * Hints that something changed under a root, by chokidar. Only hints: events may be lost, late or of the wrong
 * directory, and nothing depends on them but how soon a change is seen.
 */
export class RootWatch {
  readonly #root: Root;
  readonly #options: WatchOptions;
  #watcher: FSWatcher | undefined;
  #base: string | undefined;

  constructor(root: Root, options: WatchOptions) {
    this.#root = root;
    this.#options = options;
  }

  /** Watches the root, or what there is on the way to it. Call again when that may have changed. */
  async arm(): Promise<void> {
    const base = nearestExisting(this.#root.path);
    if (base === this.#base) return;
    await this.close();
    this.#base = base;
    // chokidar counts the depth from what exists: missing levels, then the sandboxes, then their files.
    const missing = base === this.#root.path ? 0 : relative(base, this.#root.path).split(sep).length;
    const watcher = watch(base, {
      depth: missing + 1,
      ignoreInitial: true,
      followSymlinks: false,
      alwaysStat: false,
      ignored: (path) => !this.#matters(path),
    });
    watcher.on("all", (_event, path) => this.#options.onHint(this.#sandboxOf(path)));
    watcher.on("error", (error) =>
      this.#options.onError(error instanceof Error ? error : new Error(String(error))),
    );
    this.#watcher = watcher;
  }

  async close(): Promise<void> {
    this.#base = undefined;
    await this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** On the way to the root, a sandbox, or one of its files: nothing else may cost a watch. */
  #matters(path: string): boolean {
    if (this.#root.path === path || this.#root.path.startsWith(`${path === sep ? "" : path}${sep}`))
      return true;
    if (!path.startsWith(`${this.#root.path}${sep}`)) return false;
    const [, file, ...deeper] = path.slice(this.#root.path.length + 1).split(sep);
    return deeper.length === 0 && (file === undefined || FILES.includes(file));
  }

  #sandboxOf(path: string): string | undefined {
    if (!path.startsWith(`${this.#root.path}${sep}`)) return undefined;
    const [id, file] = path.slice(this.#root.path.length + 1).split(sep);
    return file === undefined ? undefined : id;
  }
}

function nearestExisting(path: string): string {
  let base = path;
  while (!existsSync(base) && dirname(base) !== base) base = dirname(base);
  return base;
}
