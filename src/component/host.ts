// SPDX-License-Identifier: Apache-2.0
import type { ReloadControl } from "./reload.ts";
import type { Single } from "./single.ts";
import type { Statuses } from "./status.ts";

/** Where the components of one agent meet. */
export interface Host {
  readonly statuses: Statuses;
  /** Undefined where the agent has no configuration to read again. */
  readonly reload: ReloadControl | undefined;
  /** The agent's only thing of that key, the same for every component. */
  single<T>(key: Single<T>): T;
}
