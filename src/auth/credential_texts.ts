// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../component/component.ts";
import { readSteadyFile, reasonOf } from "../files/read_file.ts";
import { FileWatch } from "./file_watch.ts";

/** The source of a text: the config, or a file that the config names. The file is preferred. */
export interface CredentialSource {
  /** The option that names the file, for messages. */
  readonly option: string;
  readonly text?: string | undefined;
  readonly file?: string | undefined;
  /** Returns why the text of the file cannot be used; undefined if it can be used. */
  reject?(text: string): string | undefined;
}

/** The options of `CredentialTexts`. */
export interface CredentialTextsOptions {
  /** The settings of the extension. */
  readonly settings: Settings;
  /** Is called when a file has another text than before. */
  onChange?(): void;
}

/** Why a file cannot be used now. */
interface Failure {
  readonly message: string;
  /** Removes the failure from the extension's status. */
  readonly end: () => void;
}

/**
 * The largest file that is read, in bytes. No credential is longer, and a wrong path may lead to a file of any size.
 */
const FILE_BYTES_MAX = 64 * 1024;

/**
 * Texts such as a password, some of them in files, which are read again when they change. If a file can no longer be
 * used, its last good text stays in use, and the log and the extension's status say so until the file can be used
 * again.
 */
export class CredentialTexts<Name extends string> {
  readonly #sources: readonly (readonly [Name, CredentialSource])[];
  readonly #options: CredentialTextsOptions;
  readonly #texts = new Map<Name, string>();
  readonly #failures = new Map<Name, Failure>();
  readonly #watches: FileWatch[] = [];
  /** Files are read one after the other, so that the last read gives the latest text. */
  #lastRead: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(sources: Readonly<Record<Name, CredentialSource>>, options: CredentialTextsOptions) {
    this.#sources = Object.entries(sources) as [Name, CredentialSource][]; // the record has no other keys
    this.#options = options;
    for (const [name, { text, file }] of this.#sources)
      if (text !== undefined && file === undefined) this.#texts.set(name, text);
  }

  /**
   * Returns the current text, without the white space around it if it is from a file; an empty text if the config gives
   * none.
   */
  get(name: Name): string {
    return this.#texts.get(name) ?? "";
  }

  /** Reads the files and begins to watch them. Rejects if one of them cannot be used. */
  async start(): Promise<void> {
    await this.refresh();
    for (const source of this.#sources) this.#watch(source);
  }

  /** Reads the files again. Rejects if one of them cannot be used; its last good text stays in use. */
  async refresh(): Promise<void> {
    const errors: Error[] = [];
    await this.#readAll((error) => errors.push(error));
    if (errors[0] !== undefined) throw errors[0];
  }

  /** Reads the files again, like `refresh`, but never rejects. */
  async readAgain(): Promise<void> {
    await this.#readAll(() => {});
  }

  /** Stops watching, and removes the failures of files from the extension's status. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { end } of this.#failures.values()) end();
    await Promise.all([...this.#watches.map((watch) => watch.close()), this.#lastRead]);
  }

  #watch([name, source]: readonly [Name, CredentialSource]): void {
    if (source.file === undefined) return;
    const { clock, logger } = this.#options.settings;
    const watch = new FileWatch({
      path: source.file,
      clock,
      onHint: () => {
        void this.#read(name, source).then(() => {
          if (!this.#isClosed) watch.arm();
        });
      },
      onError: (error) =>
        logger.warn(
          { file: source.file, error: error.message },
          "A file cannot be watched; it is read every 10 s instead.",
        ),
    });
    this.#watches.push(watch);
    watch.arm();
  }

  async #readAll(onError: (error: Error) => void): Promise<void> {
    await Promise.all(this.#sources.map(([name, source]) => this.#read(name, source, onError)));
  }

  #read(name: Name, source: CredentialSource, onError?: (error: Error) => void): Promise<void> {
    const read = this.#lastRead.then(async () => {
      if (source.file === undefined || this.#isClosed) return;
      try {
        const text = await readText(source, source.file);
        this.#succeeded(name);
        if (text === this.#texts.get(name)) return;
        this.#texts.set(name, text);
        this.#options.onChange?.();
      } catch (error) {
        const words = new Error(`cannot read ${source.option} "${source.file}": ${reasonOf(error)}`);
        this.#failed(name, words.message);
        onError?.(words);
      }
    });
    this.#lastRead = read;
    return read;
  }

  #succeeded(name: Name): void {
    const failure = this.#failures.get(name);
    if (failure === undefined) return;
    this.#failures.delete(name);
    failure.end();
    this.#options.settings.logger.info({ error: failure.message }, "Credentials can be read again.");
  }

  #failed(name: Name, message: string): void {
    const { host, id, logger } = this.#options.settings;
    const before = this.#failures.get(name);
    // If the text has never been read, the extension is starting, and `start` rejects with the reason.
    if (this.#isClosed || !this.#texts.has(name) || before?.message === message) return;
    before?.end();
    this.#failures.set(name, { message, end: host.statuses.outdated("extension", id, message) });
    logger.warn({ error: message }, "Credentials cannot be read again; the old ones stay in use.");
  }
}

async function readText({ reject }: CredentialSource, path: string): Promise<string> {
  const bytes = await readSteadyFile(path);
  if (bytes.length > FILE_BYTES_MAX) throw new Error(`it has more than ${FILE_BYTES_MAX} bytes`);
  const text = new TextDecoder().decode(bytes).trim();
  // A file that is written in place is empty for a moment. An empty text must not replace the old one.
  if (text === "") throw new Error("it is empty");
  const reason = reject?.(text);
  if (reason !== undefined) throw new Error(reason);
  return text;
}
