// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../clock/clock.ts";
import type { GzipPage } from "./gzip_page.ts";
import type { Snapshot } from "./readings.ts";

/** So long after its snapshot a page may be given to another puller, and is kept for that. */
const SHARED_MS = 1_000;

interface Shared {
  readonly page: GzipPage;
  readonly snapshot: Snapshot;
  readonly forget: () => void;
}

/**
 * Compressed pages that several pullers can have. A page that is done is given again while it is what a new one would
 * be. One at work is also joined when numbers have changed since, or pullers that come together, on a node where some
 * sandbox changes every few milliseconds, would never share: but never when a sandbox has gone.
 */
export class SharedPages {
  readonly #clock: Clock;
  readonly #latest = new Map<string, Shared>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A page of the key for a pull that would show `snapshot`: a shared one where that is possible, else what `create` makes. */
  page(key: string, snapshot: Snapshot, create: () => GzipPage): GzipPage {
    const shared = this.#latest.get(key);
    if (shared !== undefined && canShare(shared, snapshot)) return shared.page;
    shared?.forget();
    const page = create();
    const cancel = this.#clock.after(SHARED_MS, () => this.#latest.delete(key));
    this.#latest.set(key, { page, snapshot, forget: cancel });
    return page;
  }

  /** Drops everything at once. */
  clear(): void {
    for (const { forget } of this.#latest.values()) forget();
    this.#latest.clear();
  }
}

function canShare({ page, snapshot }: Shared, wanted: Snapshot): boolean {
  if (!page.isWhole || snapshot.departures !== wanted.departures) return false;
  return page.isRunning || snapshot.version === wanted.version;
}
