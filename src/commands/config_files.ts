import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { watch } from "chokidar";
import type { ConfigNode } from "../config/node.ts";
import type { ConfigSource } from "../config/source.ts";

/** Events are a hint that may be missed where a file is swapped by links; a look at the files is not. */
const LOOK_INTERVAL_MS = 5_000;
/** An editor writes a file in several steps. */
const SETTLE_MS = 200;

/** Files that the configuration is made of: those that were read for it, and those that it names for components to read. */
export class ConfigFiles {
  readonly #read = new Set<string>();
  readonly #named = new Set<string>();
  #digest = "";

  /** The source, of which the files that are read are noted. */
  noting(source: ConfigSource): ConfigSource {
    return {
      ...source,
      readFile: async (path) => {
        this.#read.add(path);
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
      else if (key.endsWith("_file") && typeof value.value === "string") this.#named.add(value.value);
    }
  }

  /** Notes what the files hold now. */
  async look(): Promise<void> {
    this.#digest = await this.#digestNow();
  }

  /** Calls `onChange` when a file holds something else than at the last look, until the returned function is called. */
  watch(onChange: () => void): () => Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const look = async (): Promise<void> => {
      const digest = await this.#digestNow();
      if (digest === this.#digest) return;
      this.#digest = digest;
      onChange();
    };
    const hint = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => void look(), SETTLE_MS);
    };
    const watcher = watch([...this.#read, ...this.#named], { ignoreInitial: true });
    watcher.on("all", hint);
    // Whatever hinders it, the looks go on.
    watcher.on("error", hint);
    const interval = setInterval(() => void look(), LOOK_INTERVAL_MS);
    hint();
    return async () => {
      clearTimeout(timer);
      clearInterval(interval);
      await watcher.close();
    };
  }

  /** Of the content of all files. One that is missing counts as such: it may be on its way. */
  async #digestNow(): Promise<string> {
    const hash = createHash("sha256");
    for (const path of [...this.#read, ...this.#named].sort()) {
      hash.update(`${path}\0`);
      hash.update(await readFile(path).catch((error: NodeJS.ErrnoException) => error.code ?? "error"));
    }
    return hash.digest("hex");
  }
}
