// SPDX-License-Identifier: Apache-2.0
import { type Clock, systemClock } from "../clock/clock.ts";
import type { Host } from "../component/host.ts";
import type { ReloadControl } from "../component/reload.ts";
import type { Single } from "../component/single.ts";
import { ConcealedTexts } from "../text/concealed.ts";
import { StatusBoard } from "./statuses.ts";

/** Makes the host of a new agent. Its statuses show no text that `concealed` knows. */
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
      return made.get(key) as T; // The key's own `make` has made it.
    },
  };
}
