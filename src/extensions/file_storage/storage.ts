// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants, existsSync, globSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Extension, Settings } from "../../component/component.ts";
import { DiskQueue, type Fsync, type Quota } from "../../delivery/disk_queue.ts";
import type { QueueSize, RequestQueue } from "../../delivery/queue.ts";
import { QUEUE_STORAGES, type QueueStorage } from "../../delivery/queue_storage.ts";
import { ensureDirectory } from "../../files/create.ts";
import { observed } from "../../reporting/observed.ts";
import { messageOf } from "../../text/error_text.ts";

/** The options of a storage. */
export interface FileStorageConfig {
  readonly directory: string;
  /** Whether a missing directory is made. */
  readonly createDirectory: boolean;
  /** The mode with which a missing directory is made. */
  readonly directoryMode: number;
  /** How long the start waits for another process to release the lock. */
  readonly lockTimeoutMs: number;
  readonly fsync: Fsync;
  /** The most bytes on disk of all queues together. */
  readonly quotaBytes: number;
}

/** The time between two attempts to get the lock. */
const LOCK_RETRY_MS = 50;
/** The time from the start until queues that no exporter has opened are logged. All exporters have started by then. */
const CHECK_AFTER_MS = 5_000;

/** The error if another process, or another storage of this process, has the lock. */
class InUse extends Error {}

const SQLITE_BUSY = 5;
const SQLITE_NOTADB = 26;

/** The lock file. A directory that has other files but not this one is not a storage's, and is refused. */
const LOCK = "kata-collector.lock";

/** A directory that keeps the queues of exporters, with one quota for all queues together. */
export class FileStorage implements Extension, QueueStorage {
  readonly #config: FileStorageConfig;
  readonly #settings: Settings;
  readonly #quota: Quota;
  /** The names of the open queues. */
  readonly #open = new Set<string>();
  /** By name: the queues on disk that no exporter has opened, with their size in bytes. */
  readonly #unopened = new Map<string, number>();
  #lock: DatabaseSync | undefined;
  #withdraw: () => void = () => {};
  #cancelCheck: () => void = () => {};

  constructor(config: FileStorageConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    this.#quota = { bytesMax: config.quotaBytes, bytes: 0 };
  }

  /**
   * Locks the directory and offers the storage to exporters. Rejects with the reason if the directory cannot be used.
   */
  async start(): Promise<void> {
    const { directory } = this.#config;
    try {
      await this.#prepare();
      this.#lock = await this.#takeLock(join(directory, LOCK));
    } catch (error) {
      const cause = messageOf(error);
      throw new Error(`cannot use directory "${directory}" as a storage: ${cause}`, { cause: error });
    }
    this.#countUnopened();
    const withdraw = this.#settings.host.single(QUEUE_STORAGES).add(this.#settings.id, this);
    const stopObserving = this.#observe();
    this.#withdraw = () => {
      withdraw();
      stopObserving();
    };
  }

  shutdown(): Promise<void> {
    this.#cancelCheck();
    this.#withdraw();
    this.#lock?.close();
    this.#lock = undefined;
    return Promise.resolve();
  }

  openQueue(name: string, onDamage: (lost: QueueSize, where: string) => void): RequestQueue {
    const { directory, fsync } = this.#config;
    const { clock, logger } = this.#settings;
    if (this.#open.has(name)) throw new Error(`queue "${name}" is in use already`);
    // The bytes of the unopened queue are subtracted, since a DiskQueue itself adds its bytes to the quota.
    this.#quota.bytes -= this.#unopened.get(name) ?? 0;
    this.#unopened.delete(name);
    const queue = new DiskQueue({
      // The name is encoded, since an exporter's id may have a slash in it.
      directory: join(directory, encodeURIComponent(name)),
      fsync,
      quota: this.#quota,
      clock,
      onDamage: ({ lost, path, offset }) => onDamage(lost, `${path} at byte ${offset}`),
      onError: (error) =>
        logger.error({ queue: name, error: error.message }, "Storage has trouble; nothing is lost by it."),
    });
    this.#open.add(name);
    const close = queue.close.bind(queue);
    queue.close = async () => {
      await close();
      this.#open.delete(name);
      this.#countUnopened();
    };
    return queue;
  }

  /** Waits for the lock until its owner releases it, at most `lockTimeoutMs`. Does not block the event loop. */
  async #takeLock(path: string): Promise<DatabaseSync> {
    const { clock } = this.#settings;
    const endMs = clock.monotonicMs() + this.#config.lockTimeoutMs;
    for (;;) {
      try {
        return lockDirectory(path);
      } catch (error) {
        if (!(error instanceof InUse) || clock.monotonicMs() >= endMs) throw error;
      }
      await new Promise<void>((resolve) => void clock.after(LOCK_RETRY_MS, resolve));
    }
  }

  /** Counts queues that no exporter has opened against the quota, since they take space on the disk too. */
  #countUnopened(): void {
    for (const [name, bytes] of queuesIn(this.#config.directory)) {
      if (this.#open.has(name) || this.#unopened.has(name)) continue;
      this.#unopened.set(name, bytes);
      this.#quota.bytes += bytes;
    }
    this.#cancelCheck();
    if (this.#unopened.size > 0)
      this.#cancelCheck = this.#settings.clock.after(CHECK_AFTER_MS, () => this.#logUnopened());
  }

  /** Warns of queues that no exporter sends, for example because their exporter was renamed. */
  #logUnopened(): void {
    for (const [queue, bytes] of this.#unopened)
      this.#settings.logger.warn(
        { queue, bytes },
        "A queue on disk belongs to no exporter; give an exporter its name again to send it, or remove its folder.",
      );
  }

  /** Makes the directory if it is missing, and checks that the storage can use it. Rejects with the reason if not. */
  async #prepare(): Promise<void> {
    const { directory, createDirectory, directoryMode } = this.#config;
    if (!existsSync(directory)) {
      if (!createDirectory) throw new Error("it does not exist; make it, or set create_directory: true");
      await ensureDirectory(directory, directoryMode);
    }
    if (!statSync(directory).isDirectory()) throw new Error("it is not a directory");
    try {
      accessSync(directory, constants.R_OK | constants.W_OK);
    } catch (error) {
      throw new Error(`it cannot be written to: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
    }
    // A directory that is a volume of its own may have `lost+found`, which belongs to the file system.
    const names = readdirSync(directory).filter((name) => name !== "lost+found");
    if (names.length > 0 && !names.includes(LOCK))
      throw new Error(`it holds something else ("${names[0]}"); give the storage a directory of its own`);
  }

  #observe(): () => void {
    const { meter, id } = this.#settings;
    const gauge = (name: string, description: string, read: () => number): (() => void) =>
      observed(meter.createObservableGauge(name, { unit: "By", description }), () => [
        [read(), { extension: id }],
      ]);
    const stops = [
      gauge("kata_collector_storage_size", "Bytes on disk of all queues.", () => this.#quota.bytes),
      gauge("kata_collector_storage_quota", "Bytes that they may have.", () => this.#quota.bytesMax),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }
}

/** Returns the queues in a storage's directory that have records, with their size in bytes. */
function queuesIn(directory: string): (readonly [name: string, bytes: number])[] {
  const folders = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.flatMap(({ name }) => {
    const segments = globSync("*.log", { cwd: join(directory, name) });
    const bytes = segments.reduce((sum, file) => sum + statSync(join(directory, name, file)).size, 0);
    return bytes > 0 ? [[decodeURIComponent(name), bytes] as const] : [];
  });
}

/**
 * Locks the directory by SQLite's lock on the file `path` in it. The kernel frees this lock when the process ends in
 * any way, and the lock also works between containers that share the directory. Node itself has no lock of this kind.
 */
function lockDirectory(path: string): DatabaseSync {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec("PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE IF NOT EXISTS owner (id); BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    const { errcode } = error as { errcode?: number };
    if (errcode === SQLITE_NOTADB)
      throw new Error(`${path} is no lock; remove it, nothing else is kept in it`, { cause: error });
    if (errcode === SQLITE_BUSY)
      throw new InUse("another process uses it, or another file_storage of this one", { cause: error });
    throw error;
  }
}
