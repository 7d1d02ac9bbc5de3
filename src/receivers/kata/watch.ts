import { realpathSync, statSync } from "node:fs";
import { dirname, relative, sep } from "node:path";
import { type FSWatcher, watch } from "chokidar";

export interface WatchOptions {
  /** An absolute path that may not exist yet. */
  readonly path: string;
  /** Directories may have come to the path, or gone from it. */
  onHint(): void;
  /** The watcher may miss something: sandboxes are then found by reconciling. */
  onError(error: Error): void;
}

/** What is watched, and how to tell that it must be begun anew. */
interface Target {
  /** An existing directory above the root. */
  readonly base: string;
  /** The root, with the links on the way to it resolved as far as it exists. */
  readonly root: string;
  readonly identity: string;
}

/**
 * Hints that directories came or went under a root, by chokidar. Only hints: events may be lost, late or too many, and
 * nothing depends on them but how soon a change is seen. A root costs two inotify watches, whatever is in it.
 *
 * The watch begins at the directory above the root (or above what there is of it), because a watch of the root itself
 * ends when the root is replaced (measured with chokidar 6, which emits nothing then).
 */
export class RootWatch {
  readonly #options: WatchOptions;
  readonly #closing = new Set<Promise<void>>();
  #watcher: FSWatcher | undefined;
  #armedFor: Target | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Watches the root; begins anew where what was watched is no longer what leads to it, or has failed. */
  arm(): void {
    try {
      const target = targetOf(this.#options.path);
      if (target.identity === this.#armedFor?.identity) return;
      this.#disarm();
      this.#armedFor = target;
      this.#watcher = this.#watch(target);
    } catch (error) {
      this.#failed(error);
    }
  }

  async close(): Promise<void> {
    this.#disarm();
    await Promise.all(this.#closing);
  }

  #watch({ base, root }: Target): FSWatcher {
    const watcher = watch(base, {
      depth: relative(base, root).split(sep).length,
      ignoreInitial: true,
      followSymlinks: false,
      ignored: (path) => !matters(path, root),
    });
    const live = (): boolean => watcher === this.#watcher;
    watcher.on("all", (event) => {
      if (live() && event !== "change") this.#options.onHint();
    });
    // What came while it was being set up was not reported.
    watcher.on("ready", () => {
      if (live()) this.#options.onHint();
    });
    watcher.on("error", (error) => {
      if (live()) this.#failed(error);
    });
    return watcher;
  }

  /** The next `arm` tries again. */
  #failed(error: unknown): void {
    this.#armedFor = undefined;
    this.#options.onError(error instanceof Error ? error : new Error(String(error)));
  }

  #disarm(): void {
    const watcher = this.#watcher;
    this.#watcher = undefined;
    this.#armedFor = undefined;
    if (watcher === undefined) return;
    const closing = watcher
      .close()
      .catch((error: unknown) =>
        this.#options.onError(new Error("cannot close the watcher", { cause: error })),
      )
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

/** The root, what leads to it, and what lies directly in it: nothing else may cost a watch. */
function matters(path: string, root: string): boolean {
  if (path === root || root.startsWith(path === sep ? sep : `${path}${sep}`)) return true;
  return path.startsWith(`${root}${sep}`) && !path.includes(sep, root.length + 1);
}

function targetOf(path: string): Target {
  const existing = realPathOf(path);
  const root = existing ?? path;
  let base = dirname(root);
  while (statSync(base, { throwIfNoEntry: false }) === undefined && base !== dirname(base))
    base = dirname(base);
  const { dev, ino } = statSync(base);
  return { base, root, identity: `${root} ${base} ${dev}:${ino}` };
}

function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    // It is not there yet, or leads nowhere: what there is of it is watched.
    return undefined;
  }
}
