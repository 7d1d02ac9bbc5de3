// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../component/component.ts";
import type { ComponentKind } from "../component/status.ts";
import { observed } from "../reporting/observed.ts";
import { messageOf } from "../text/error_text.ts";
import { isSameMaterial, type KeyMaterial, type KeySources, readKeyMaterial } from "./key_material.ts";

/** The component that uses the certificates. Its logger, metrics and status report on them. */
export interface CertificateOwner {
  readonly kind: ComponentKind;
  readonly settings: Settings;
}

/** The options of `Certificates`. */
export interface CertificatesOptions {
  readonly owner: CertificateOwner;
  readonly sources: KeySources;
  /**
   * How often the files are read again, in milliseconds; 0 for only when `load` is called. Files that cannot be used
   * are read again after `RETRY_MS` at the latest.
   */
  readonly reloadIntervalMs: number;
  /**
   * Is called with the first contents and with each change, for new connections. Throws if the contents cannot be
   * used.
   */
  use(material: KeyMaterial): void;
}

interface Failure {
  readonly message: string;
  /** Removes the failure from the component's status. */
  readonly end: () => void;
  readonly loggedMs: number;
}

/** Files that cannot be used are read again after this time, or after the reload interval if that is shorter. */
const RETRY_MS = 10_000;
/** The same failure is logged at most once within this time. */
const LOG_INTERVAL_MS = 60_000;

/**
 * The certificates and the key of one component, which are read again when their files change.
 *
 * A read replaces the contents of all files or of none. If one file cannot be used, or the key does not belong to the
 * certificate, the old contents stay in use, the component's status says so, and the files are read again until they
 * can be used. Contents are compared, not modification times, since Kubernetes replaces files by changing links.
 */
export class Certificates {
  readonly #options: CertificatesOptions;
  #inUse: KeyMaterial | undefined;
  #stopObserving: () => void = () => {};
  #cancelNextRead: () => void = () => {};
  /** Why the last read failed; undefined if it succeeded. */
  #failure: Failure | undefined;
  #lastRead: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: CertificatesOptions) {
    this.#options = options;
  }

  /**
   * Reads the files now; `#readAgainLater` says when a timer reads them again. Rejects if they cannot be used; the
   * old contents then stay in use.
   */
  load(): Promise<void> {
    // Reads come one after the other, so that the contents of an older one never replace those of a newer one.
    const read = this.#lastRead.then(() => this.#load());
    this.#lastRead = read.catch(() => {
      // The caller of `load` gets the error from `read`. It is ignored here, so that the next read can start.
    });
    return read;
  }

  /** Stops reading. Removes the failure from the component's status, and the expiry times from the metrics. */
  close(): void {
    this.#isClosed = true;
    this.#cancelNextRead();
    this.#stopObserving();
    this.#failure?.end();
  }

  async #load(): Promise<void> {
    this.#cancelNextRead();
    try {
      const material = await readKeyMaterial(this.#options.sources);
      if (this.#isClosed) return;
      if (this.#inUse === undefined || !isSameMaterial(this.#inUse, material)) this.#use(material);
      this.#failure?.end();
      this.#failure = undefined;
    } catch (error) {
      if (this.#inUse !== undefined && !this.#isClosed) this.#keepOld(error);
      throw error;
    } finally {
      this.#readAgainLater();
    }
  }

  #use(material: KeyMaterial): void {
    const { owner, use } = this.#options;
    const { logger } = owner.settings;
    use(material);
    if (this.#inUse === undefined) this.#observe();
    else logger.info({ files: material.leading.map(({ file }) => file) }, "Certificates were exchanged.");
    this.#inUse = material;
    const nowMs = owner.settings.clock.nowMs();
    for (const { file, expiresMs } of material.leading) {
      if (expiresMs > nowMs) continue;
      const expired = new Date(expiresMs).toISOString();
      logger.warn({ file, expired }, "Certificate has expired; it is used all the same.");
    }
  }

  #keepOld(error: unknown): void {
    const { kind, settings } = this.#options.owner;
    const { id, clock, host, logger } = settings;
    const message = messageOf(error);
    const before = this.#failure;
    const isSame = before?.message === message;
    const nowMs = clock.monotonicMs();
    const isLogged = isSame && nowMs - before.loggedMs < LOG_INTERVAL_MS;
    const end = isSame ? before.end : host.statuses.outdated(kind, id, message);
    if (!isSame) before?.end();
    this.#failure = { message, end, loggedMs: isLogged ? before.loggedMs : nowMs };
    if (!isLogged)
      logger.warn({ error: message }, "Certificates cannot be exchanged; the old ones stay in use.");
  }

  #readAgainLater(): void {
    const { owner, sources, reloadIntervalMs } = this.#options;
    const hasFiles = [sources.ca, sources.cert, sources.key].some(
      (one) => one !== undefined && "path" in one.from,
    );
    if (this.#isClosed || this.#inUse === undefined || !hasFiles) return;
    const delayMs =
      this.#failure === undefined ? reloadIntervalMs : Math.min(reloadIntervalMs || RETRY_MS, RETRY_MS);
    if (delayMs === 0) return;
    this.#cancelNextRead = owner.settings.clock.after(delayMs, () => {
      this.load().catch(() => {
        // `#load` has put the error into the component's status and the log.
      });
    });
  }

  #observe(): void {
    const { kind, settings } = this.#options.owner;
    const component = `${kind}:${settings.id}`;
    const gauge = settings.meter.createObservableGauge(
      "kata_collector_certificate_expiry_timestamp_seconds",
      {
        unit: "s",
        description: "When the first certificate of a file in use expires, in Unix seconds.",
      },
    );
    // NaN when the component is gone: 0 would look like a certificate that expired in 1970, and set off an alert.
    this.#stopObserving = observed(
      gauge,
      () =>
        (this.#inUse?.leading ?? []).map(({ file, expiresMs }) => [expiresMs / 1_000, { component, file }]),
      Number.NaN,
    );
  }
}
