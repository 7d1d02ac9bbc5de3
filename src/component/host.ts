// SPDX-License-Identifier: Apache-2.0
import type { ReloadControl } from "./reload.ts";
import type { Single } from "./single.ts";
import type { Statuses } from "./status.ts";

/** Gives a component access to the agent that it is part of, and to what the agent's components share. */
export interface Host {
  readonly statuses: Statuses;
  /** Undefined if the agent cannot read its configuration again, as in the demo. */
  readonly reload: ReloadControl | undefined;
  /** Returns the agent's only thing with that key: every component gets the same one. */
  single<T>(key: Single<T>): T;
}
