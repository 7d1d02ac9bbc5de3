// SPDX-License-Identifier: Apache-2.0
import { lstatSync, readlinkSync } from "node:fs";
import { dirname, parse, resolve, sep } from "node:path";
import { type FSWatcher, watch } from "chokidar";
import type { Clock } from "../clock/clock.ts";

/** The options of a `FileWatch`. */
export interface FileWatchOptions {
  /** The path of the file. It may not exist yet, and links may lead to it. */
  readonly path: string;
  readonly clock: Clock;
  /**
   * Is called when the file may have changed (a hint). The caller must then call `arm`, since links may lead elsewhere
   * now.
   */
  onHint(): void;
  /** Is called when the watcher has failed. Hints still come, but up to 10 s later. */
  onError(error: Error): void;
}

/** A hint comes at least this often: events may be lost, and network file systems have none. */
const HINT_INTERVAL_MS = 10_000;
/** The most links on the way to a file, as in the kernel. The limit ends a search among links that lead in a circle. */
const LINKS_MAX = 40;

/**
 * Calls `onHint` whenever a file may have changed, until `close` is called. Kubernetes replaces a mounted file by
 * pointing a link to another directory, so each link on the way to the file is watched like the file itself.
 */
export class FileWatch {
  readonly #options: FileWatchOptions;
  #watcher: FSWatcher | undefined;
  #watched = "";
  #error = "";
  #closing: Promise<unknown> = Promise.resolve();
  #cancelHint: () => void = () => {};

  constructor(options: FileWatchOptions) {
    this.#options = options;
  }

  /**
   * Watches the file and the links that lead to it now. Nothing is watched before the first call. Must be called again
   * after each hint, since the links may lead elsewhere by then.
   */
  arm(): void {
    const { path, clock, onHint } = this.#options;
    this.#cancelHint();
    this.#cancelHint = clock.after(HINT_INTERVAL_MS, onHint);
    try {
      const entries = entriesTo(path);
      const watched = entries.join("\0");
      if (watched === this.#watched) return;
      this.#disarm();
      this.#watched = watched;
      this.#watcher = this.#watch(new Set(entries));
    } catch (error) {
      this.#failed(error);
    }
  }

  async close(): Promise<void> {
    this.#cancelHint();
    this.#disarm();
    await this.#closing;
  }

  #watch(entries: ReadonlySet<string>): FSWatcher {
    const parents = new Set([...entries].map((entry) => dirname(entry)));
    const watcher = watch([...parents], {
      depth: 0,
      followSymlinks: false,
      ignoreInitial: true,
      ignored: (path) => !entries.has(path) && !parents.has(path),
    });
    const hint = (): void => {
      if (watcher === this.#watcher) this.#options.onHint();
    };
    watcher.on("all", hint);
    // The watcher has not reported changes from before it was ready, so the file may have changed.
    watcher.on("ready", hint);
    watcher.on("error", (error) => {
      if (watcher === this.#watcher) this.#failed(error);
    });
    return watcher;
  }

  /** Reports the error to `onError`, unless the last error was the same. The next `arm` makes a new watcher. */
  #failed(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.#watched = "";
    if (error.message !== this.#error) this.#options.onError(error);
    this.#error = error.message;
  }

  #disarm(): void {
    const old = this.#watcher;
    this.#watcher = undefined;
    this.#watched = "";
    if (old === undefined) return;
    const closed = old.close().catch((error: unknown) => this.#failed(error));
    this.#closing = Promise.all([this.#closing, closed]);
  }
}

/** Returns the absolute paths of the file and of every link on the way to it, as far as they exist. */
export function entriesTo(path: string): readonly string[] {
  const entries: string[] = [];
  let { root: at } = parse(resolve(path));
  let rest = resolve(path).slice(at.length).split(sep);
  for (let step = rest.shift(); step !== undefined; step = rest.shift()) {
    const entry = resolve(at, step);
    const isLink = lstatSync(entry, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    if (isLink || rest.length === 0) entries.push(entry);
    if (!isLink) {
      at = entry;
      continue;
    }
    if (entries.length > LINKS_MAX) break;
    const target = resolve(at, readlinkSync(entry));
    at = parse(target).root;
    rest = [...target.slice(at.length).split(sep), ...rest];
  }
  return entries;
}
