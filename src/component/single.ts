// SPDX-License-Identifier: Apache-2.0
/**
 * The key of a thing that an agent has once and its components share, such as its listeners or the list of its storages.
 * The folder that defines the thing exports the key.
 */
export interface Single<T> {
  /** Makes the thing, without side effects. Called once, when the first component of an agent asks for it. */
  make(): T;
}
