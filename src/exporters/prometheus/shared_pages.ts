// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../clock/clock.ts";
import type { GzipPage } from "./gzip_page.ts";
import type { Snapshot } from "./readings.ts";

/** The time for which a page may be given to further pullers, counted from the snapshot of which it was made. */
const SHARED_MS = 1_000;

interface Shared {
  readonly page: GzipPage;
  readonly snapshot: Snapshot;
  readonly forget: () => void;
}

/**
 * Compressed pages that several pullers share.
 *
 * - A complete page is given to further pullers as long as a new page would have the same readings.
 * - A page that is still being compressed is also given if readings have changed since it was begun. Otherwise pullers
 *   that come together would never share on a large node, where some sandbox changes every few milliseconds.
 * - A page is not given to further pullers after one of its sandboxes was removed.
 */
export class SharedPages {
  readonly #clock: Clock;
  readonly #latest = new Map<string, Shared>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Returns a page with this key for a pull of `snapshot`: a shared page if possible, otherwise the one that `create`
   * makes.
   */
  page(key: string, snapshot: Snapshot, create: () => GzipPage): GzipPage {
    const shared = this.#latest.get(key);
    if (shared !== undefined && canShare(shared, snapshot)) return shared.page;
    shared?.forget();
    const page = create();
    const cancel = this.#clock.after(SHARED_MS, () => this.#latest.delete(key));
    this.#latest.set(key, { page, snapshot, forget: cancel });
    return page;
  }

  /** Drops all pages. */
  clear(): void {
    for (const { forget } of this.#latest.values()) forget();
    this.#latest.clear();
  }
}

function canShare({ page, snapshot }: Shared, wanted: Snapshot): boolean {
  if (!page.isWhole || snapshot.departures !== wanted.departures) return false;
  return page.isRunning || snapshot.version === wanted.version;
}
