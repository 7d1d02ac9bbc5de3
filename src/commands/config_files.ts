// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { watch } from "chokidar";
import type { ConfigNode } from "../config/node.ts";
import type { ConfigSource } from "../config/source.ts";
import { readSteadyFile } from "../files/read_file.ts";

/** Events are a hint that may be missed where a file is swapped by links; a look at the files is not. */
const LOOK_INTERVAL_MS = 5_000;
/** An editor writes a file in several steps. */
const SETTLE_MS = 200;

/** Files that the configuration is made of: those that were read for it, and those that it names for components to read. */
export class ConfigFiles {
  /** By path: of what the file held at the last look; undefined before the first. */
  readonly #digests = new Map<string, string | undefined>();
  #onNew: (path: string) => void = () => {};

  /** The source, of which the files that are read are noted. */
  noting(source: ConfigSource): ConfigSource {
    return {
      ...source,
      readFile: async (path) => {
        this.#note(path);
        return await source.readFile(path);
      },
    };
  }

  /** Notes the files whose paths stand under keys such as `cert_file`. */
  noteNamed(tree: ConfigNode): void {
    if (tree.kind === "list") for (const item of tree.items) this.noteNamed(item);
    if (tree.kind !== "map") return;
    for (const [key, { value }] of tree.entries) {
      if (value.kind !== "scalar") this.noteNamed(value);
      else if (key.endsWith("_file") && typeof value.value === "string") this.#note(value.value);
    }
  }

  /** Looks at the files: whether one of them holds something else than at the last look. */
  async hasChanged(): Promise<boolean> {
    let changed = false;
    for (const [path, before] of this.#digests) {
      const digest = await digestOf(path);
      this.#digests.set(path, digest);
      if (before !== undefined && before !== digest) changed = true;
    }
    return changed;
  }

  /** Calls `onChange` when a file holds something else than at the last look, until the returned function is called. */
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
    // Whatever hinders it, the looks go on.
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

/** Of what the file holds. One that is missing counts as such, since it may be on its way; and so does a pipe. */
async function digestOf(path: string): Promise<string> {
  try {
    return createHash("sha256")
      .update(await readSteadyFile(path))
      .digest("hex");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "error";
  }
}
