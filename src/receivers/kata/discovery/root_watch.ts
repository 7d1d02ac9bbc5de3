// SPDX-License-Identifier: Apache-2.0
import { type FSWatcher, watch } from "node:fs";
import { basename } from "node:path";
import { keyBehind } from "./directory_identity.ts";

export interface WatchOptions {
  /** An absolute path that may not exist yet. */
  readonly path: string;
  /** Called when an entry of this name may have been added to the root or removed from it. */
  onName(name: string): void;
  /** Called when the root itself may be gone. */
  onRoot(): void;
  /** Called once for each fault. From then on, only scans find sandboxes, until `arm` succeeds. */
  onError(error: Error): void;
}

/**
 * Hints at names that were added or removed directly under a root. These are only hints: events may be lost, late or
 * too many, and only how soon a change is seen depends on them. A root costs one inotify watch, whatever is in it.
 *
 * Nothing above the root is watched, since many programs write there: `leadsElsewhere` looks whether the root was made,
 * removed or replaced. Node's own watch is used, because chokidar lists and keeps what it watches (measured with
 * 100,000 directories: 280 MB and 6 s of CPU, against nothing).
 */
export class RootWatch {
  readonly #options: WatchOptions;
  #watcher: FSWatcher | undefined;
  /** The identity of the directory that the path led to at the last `arm`; undefined if it led to none. */
  #armedFor: string | undefined;
  /** The last error of watching, which is reported once; empty if there is none. */
  #fault = "";

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /**
   * Returns whether the root has changed since the last `arm`: the path leads to another directory, to one where there
   * was none, or to none any more.
   */
  leadsElsewhere(): boolean {
    return keyBehind(this.#options.path) !== this.#armedFor;
  }

  /** Watches the directory that the path leads to now, unless it is watched already. */
  arm(): void {
    const key = keyBehind(this.#options.path);
    if (this.#watcher !== undefined && key === this.#armedFor) return;
    this.close();
    this.#armedFor = key;
    if (key !== undefined) this.#watch();
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #watch(): void {
    const { path, onName, onRoot } = this.#options;
    try {
      const watcher = watch(path, (event, name) => {
        if (watcher !== this.#watcher) return;
        // Events other than "rename" are writes into a file, which change no sandbox. A directory's new mode is a
        // "rename", too, and costs one check.
        if (event !== "rename" || name === null) return;
        onName(name);
        // An event of the root itself has the root's own name.
        if (name !== basename(path) || !this.leadsElsewhere()) return;
        this.close();
        onRoot();
      });
      this.#watcher = watcher;
      this.#fault = "";
      watcher.on("error", (error) => this.#failed(error));
    } catch (error) {
      this.#failed(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #failed(error: Error): void {
    this.close();
    if (error.message !== this.#fault) this.#options.onError(error);
    this.#fault = error.message;
  }
}
