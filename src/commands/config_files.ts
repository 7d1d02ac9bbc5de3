// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { watch } from "chokidar";
import type { ConfigNode } from "../config/node.ts";
import type { ConfigSource } from "../config/source.ts";
import { readSteadyFile } from "../files/read_file.ts";

/**
 * The interval, in milliseconds, at which `watch` reads and compares the files. File events alone may miss a file that
 * is exchanged by a change of a symbolic link in its path.
 */
const LOOK_INTERVAL_MS = 5_000;
/**
 * How many milliseconds to wait after a file event before the files are read, because an editor writes a file in
 * several steps.
 */
const SETTLE_MS = 200;

/** The files of a configuration: those that it was read from, and those that it names for components to read. */
export class ConfigFiles {
  /**
   * The digest of each file's content at the last `hasChanged`, by path. Undefined for a file that was added after it.
   */
  readonly #digests = new Map<string, string | undefined>();
  #onNew: (path: string) => void = () => {};

  /** Returns the source with a `readFile` that adds each path to the files. */
  noting(source: ConfigSource): ConfigSource {
    return {
      ...source,
      readFile: async (path) => {
        this.#note(path);
        return await source.readFile(path);
      },
    };
  }

  /** Adds the files that the config names under keys that end in `_file`, such as `cert_file`. */
  noteNamed(tree: ConfigNode): void {
    if (tree.kind === "list") for (const item of tree.items) this.noteNamed(item);
    if (tree.kind !== "map") return;
    for (const [key, { value }] of tree.entries) {
      if (value.kind !== "scalar") this.noteNamed(value);
      else if (key.endsWith("_file") && typeof value.value === "string") this.#note(value.value);
    }
  }

  /** Reads the files. Resolves to whether the content of at least one file has changed since the last call. */
  async hasChanged(): Promise<boolean> {
    let changed = false;
    for (const [path, before] of this.#digests) {
      const digest = await digestOf(path);
      this.#digests.set(path, digest);
      if (before !== undefined && before !== digest) changed = true;
    }
    return changed;
  }

  /** Calls `onChange` whenever the content of a file has changed, until the returned function is called. */
  watch(onChange: () => void): () => Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const look = async (): Promise<void> => {
      if (await this.hasChanged()) onChange();
    };
    const hint = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => void look(), SETTLE_MS);
    };
    const watcher = watch([...this.#digests.keys()], { ignoreInitial: true });
    watcher.on("all", hint);
    // If the watcher fails, the comparisons at each interval still find changes.
    watcher.on("error", hint);
    const interval = setInterval(() => void look(), LOOK_INTERVAL_MS);
    this.#onNew = (path) => {
      watcher.add(path);
      hint();
    };
    hint();
    return async () => {
      this.#onNew = () => {};
      clearTimeout(timer);
      clearInterval(interval);
      await watcher.close();
    };
  }

  #note(path: string): void {
    if (this.#digests.has(path)) return;
    this.#digests.set(path, undefined);
    this.#onNew(path);
  }
}

/**
 * Returns the digest of a file's content. For a file that cannot be read, such as one that is missing, returns the
 * error's code.
 */
async function digestOf(path: string): Promise<string> {
  try {
    return createHash("sha256")
      .update(await readSteadyFile(path))
      .digest("hex");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "error";
  }
}
