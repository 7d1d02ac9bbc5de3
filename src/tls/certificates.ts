// SPDX-License-Identifier: Apache-2.0

import type { Settings } from "../component/component.ts";
import type { ComponentKind } from "../component/status.ts";
import { observed } from "../reporting/observed.ts";
import { messageOf } from "../text/error_text.ts";
import { isSameMaterial, type KeyMaterial, type KeySources, readKeyMaterial } from "./key_material.ts";

/** Whose certificates they are, for logs, metrics and the component's status. */
export interface CertificateOwner {
  readonly kind: ComponentKind;
  readonly settings: Settings;
}

export interface CertificatesOptions {
  readonly owner: CertificateOwner;
  readonly sources: KeySources;
  /** How often the files are read again, in milliseconds; 0 for only when somebody asks. */
  readonly reloadIntervalMs: number;
  /** Gets what was read first, and whatever is new after that, for connections to come. Throws where it is of no use. */
  use(material: KeyMaterial): void;
}

interface Failure {
  readonly message: string;
  /** Ends what the component's status says of it. */
  readonly end: () => void;
  readonly loggedMs: number;
}

/** Files that are no good are read again after so long, or after the interval where that is shorter. */
const RETRY_MS = 10_000;
/** The same failure is logged at most so often. */
const LOG_INTERVAL_MS = 60_000;

/**
 * The certificates and key of one component, as its files hold them now. Each reading takes all of them or none: where
 * one file is no good, or the key is not the certificate's, what was in use stays in use, the component's status says so,
 * and the files are read again until they are good. Contents are compared and not times, since files may be swapped by
 * links.
 */
export class Certificates {
  readonly #options: CertificatesOptions;
  #inUse: KeyMaterial | undefined;
  #stopObserving: () => void = () => {};
  #cancelReading: () => void = () => {};
  /** Why the files were no good when they were read last; undefined where they were. */
  #failure: Failure | undefined;
  #lastReading: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: CertificatesOptions) {
    this.#options = options;
  }

  /** Reads the files, now and from now on. Rejects where they are no good; what was in use before stays in use. */
  load(): Promise<void> {
    // One after the other: an older reading must not take the place of a newer one.
    const reading = this.#lastReading.then(() => this.#load());
    this.#lastReading = reading.catch(() => {
      // Whoever asked for that reading hears of it.
    });
    return reading;
  }

  /** Ends the readings, and what is reported of them. */
  close(): void {
    this.#isClosed = true;
    this.#cancelReading();
    this.#stopObserving();
    this.#failure?.end();
  }

  async #load(): Promise<void> {
    this.#cancelReading();
    try {
      const material = await readKeyMaterial(this.#options.sources);
      if (this.#isClosed) return;
      if (this.#inUse === undefined || !isSameMaterial(this.#inUse, material)) this.#exchange(material);
      this.#failure?.end();
      this.#failure = undefined;
    } catch (error) {
      if (this.#inUse !== undefined && !this.#isClosed) this.#goOnWithOld(error);
      throw error;
    } finally {
      this.#readLater();
    }
  }

  #exchange(material: KeyMaterial): void {
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

  #goOnWithOld(error: unknown): void {
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

  #readLater(): void {
    const { owner, sources, reloadIntervalMs } = this.#options;
    const hasFiles = [sources.ca, sources.cert, sources.key].some(
      (one) => one !== undefined && "path" in one.from,
    );
    if (this.#isClosed || this.#inUse === undefined || !hasFiles) return;
    const delayMs =
      this.#failure === undefined ? reloadIntervalMs : Math.min(reloadIntervalMs || RETRY_MS, RETRY_MS);
    if (delayMs === 0) return;
    this.#cancelReading = owner.settings.clock.after(delayMs, () => {
      this.load().catch(() => {
        // The status and the log have it.
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
    // An alert on certificates that expire must not take one that is gone for one of 1970.
    this.#stopObserving = observed(
      gauge,
      () =>
        (this.#inUse?.leading ?? []).map(({ file, expiresMs }) => [expiresMs / 1_000, { component, file }]),
      Number.NaN,
    );
  }
}
