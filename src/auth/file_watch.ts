// SPDX-License-Identifier: Apache-2.0
import { lstatSync, readlinkSync } from "node:fs";
import { dirname, parse, resolve, sep } from "node:path";
import { type FSWatcher, watch } from "chokidar";
import type { Clock } from "../clock/clock.ts";

export interface FileWatchOptions {
  /** The file may not exist yet, and may be reached by links. */
  readonly path: string;
  readonly clock: Clock;
  /** The file may hold something else now. */
  onHint(): void;
  /** The watcher has failed; the hints go on, but come later. */
  onError(error: Error): void;
}

/** Events may be lost, and a file system of another machine has none. */
const LOOK_INTERVAL_MS = 10_000;
/** As the kernel has it, for links that lead to each other. */
const LINKS_MAX = 40;

/**
 * Hints that a file may have changed, until closed. Kubernetes exchanges a mounted file by moving a link to another
 * directory, so each link on the way to the file is watched as the file itself is.
 */
export class FileWatch {
  readonly #options: FileWatchOptions;
  #watcher: FSWatcher | undefined;
  #watched = "";
  #error = "";
  #closing: Promise<unknown> = Promise.resolve();
  #cancelLook: () => void = () => {};

  constructor(options: FileWatchOptions) {
    this.#options = options;
  }

  /** Begins, or begins anew where something else leads to the file now. To be called after each hint. */
  arm(): void {
    const { path, clock, onHint } = this.#options;
    this.#cancelLook();
    this.#cancelLook = clock.after(LOOK_INTERVAL_MS, onHint);
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
    this.#cancelLook();
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
    // What came while it was being set up was not reported.
    watcher.on("ready", hint);
    watcher.on("error", (error) => {
      if (watcher === this.#watcher) this.#failed(error);
    });
    return watcher;
  }

  /** The next `arm` tries again; what fails each time is told once. */
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

/** The absolute paths of the file and of every link on the way to it, as far as they are there. */
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
