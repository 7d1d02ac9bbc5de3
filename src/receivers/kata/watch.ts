// SPDX-License-Identifier: Apache-2.0
import { type FSWatcher, watch } from "node:fs";
import { basename } from "node:path";
import { keyBehind } from "./identity.ts";

export interface WatchOptions {
  /** An absolute path that may not exist yet. */
  readonly path: string;
  /** Something of this name may have come to the root, or gone from it. */
  onName(name: string): void;
  /** The root itself may have gone. */
  onRoot(): void;
  /** Nothing is watched until an arming that succeeds: sandboxes are found by looking. Once for each fault. */
  onError(error: Error): void;
}

/**
 * Hints which names came or went directly under a root. Only hints: events may be lost, late or too many, and nothing
 * depends on them but how soon a change is seen. A root costs one inotify watch, whatever is in it.
 *
 * Nothing above the root is watched, where others write as they like: `leadsElsewhere` tells by a look whether the root
 * came, went or was replaced. Node's own watch is taken, since chokidar lists and keeps what it watches (measured with
 * 100,000 directories: 280 MB and 6 s of CPU, against nothing).
 */
export class RootWatch {
  readonly #options: WatchOptions;
  #watcher: FSWatcher | undefined;
  /** The identity of what the path led to when it was armed. */
  #armedFor: string | undefined;
  /** What kept the last arming from watching; empty where nothing did. */
  #fault = "";

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Whether the path leads to another directory than when it was armed last, or to one where there was none. */
  leadsElsewhere(): boolean {
    return keyBehind(this.#options.path) !== this.#armedFor;
  }

  /** Watches what the path leads to now, unless it is watched already. */
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
        // Writes into files are no news. A directory's new mode comes as if it had been renamed, and costs a look at it.
        if (event !== "rename" || name === null) return;
        onName(name);
        // What becomes of the root itself comes under the root's own name.
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
