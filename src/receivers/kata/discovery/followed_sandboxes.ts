// SPDX-License-Identifier: Apache-2.0
import type { FoundSandbox } from "./found_sandbox.ts";

/**
 * The sandboxes that are followed now, and which of them have no socket. Each sandbox is in both maps, and in the set
 * while it has no socket.
 */
export class FollowedSandboxes {
  readonly #byDirectory = new Map<string, FoundSandbox>();
  readonly #byKey = new Map<string, FoundSandbox>();
  /** The sandboxes without a socket when they were last looked at, the oldest first. */
  readonly #socketless = new Set<FoundSandbox>();

  get size(): number {
    return this.#byDirectory.size;
  }

  get socketlessCount(): number {
    return this.#socketless.size;
  }

  add(sandbox: FoundSandbox, hasSocket: boolean): void {
    this.#byDirectory.set(sandbox.directory, sandbox);
    this.#byKey.set(sandbox.identity.key, sandbox);
    this.noteSocket(sandbox, hasSocket);
  }

  delete(sandbox: FoundSandbox): void {
    this.#byDirectory.delete(sandbox.directory);
    this.#byKey.delete(sandbox.identity.key);
    this.#socketless.delete(sandbox);
  }

  /** Records whether the sandbox has a socket now. */
  noteSocket(sandbox: FoundSandbox, hasSocket: boolean): void {
    if (hasSocket) this.#socketless.delete(sandbox);
    else this.#socketless.add(sandbox);
  }

  at(directory: string): FoundSandbox | undefined {
    return this.#byDirectory.get(directory);
  }

  /** Returns the sandbox whose directory has this identity, whatever its name. */
  withKey(identityKey: string): FoundSandbox | undefined {
    return this.#byKey.get(identityKey);
  }

  /** Returns all sandboxes. Sandboxes may be added and deleted while the result is read, as with a Map. */
  all(): Iterable<FoundSandbox> {
    return this.#byDirectory.values();
  }

  /** Returns the sandboxes without a socket, the oldest first. They may be deleted while the result is read. */
  socketless(): Iterable<FoundSandbox> {
    return this.#socketless;
  }
}
