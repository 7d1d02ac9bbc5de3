// SPDX-License-Identifier: Apache-2.0
/**
 * A thing that an agent has once, such as its listeners or the list of its storages. The folder whose thing it is exports
 * the key, by which every component of the agent gets the same one.
 */
export interface Single<T> {
  /** For a reader of the code. */
  readonly name: string;
  /** Makes the thing, without side effects. Called when an agent's first component asks for it. */
  make(): T;
}
