// SPDX-License-Identifier: Apache-2.0
import { type Clock, systemClock } from "../clock/clock.ts";
import type { Host } from "../component/host.ts";
import type { ReloadControl } from "../component/reload.ts";
import type { Single } from "../component/single.ts";
import { ConcealedTexts } from "../text/concealed.ts";
import { StatusBoard } from "./statuses.ts";

/** What the components of one agent share, at its beginning. */
export function createHost(
  clock: Clock = systemClock,
  reload: ReloadControl | undefined = undefined,
  concealed: ConcealedTexts = new ConcealedTexts(),
): Host & { readonly statuses: StatusBoard } {
  const made = new Map<Single<unknown>, unknown>();
  return {
    statuses: new StatusBoard(clock, concealed),
    reload,
    single<T>(key: Single<T>): T {
      if (!made.has(key)) made.set(key, key.make());
      // The key's own `make` has made what is there.
      return made.get(key) as T;
    },
  };
}
