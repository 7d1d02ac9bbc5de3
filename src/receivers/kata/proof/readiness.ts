// SPDX-License-Identifier: Apache-2.0
import type { Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { ShimKind } from "../../../kata/known_families.ts";
import { accessFault } from "../discovery/access_fault.ts";
import { statOf } from "../discovery/directory_identity.ts";
import { type FoundSandbox, JAILER, SOCKET_NAME } from "../discovery/found_sandbox.ts";
import { StateFile } from "./state_file.ts";
import { type NotReady, notReady, type UnsafeHypervisor, verdictOn } from "./verdict.ts";

/** The result of a look at a sandbox: it may be asked, and its shim is of this kind; or it may not, for this reason. */
export type Readiness = { readonly state: "ready"; readonly shim: ShimKind } | NotReady;

export interface ReadinessOptions {
  readonly allowed: readonly UnsafeHypervisor[];
  /** Returns the present time in Unix milliseconds. */
  nowMs(): number;
}

/** Everything that is remembered for one socket. */
interface SocketRecord {
  readonly socket: Stats;
  readonly stateFile: StateFile;
  /** The paths of the sandbox's files that have existed: one that is gone later shows that the sandbox is being removed. */
  readonly seen: Set<string>;
}

/**
 * Decides from files alone whether a sandbox may be asked. A proof belongs to one socket: another socket, or the same one
 * after its ctime has changed, has to prove itself anew. A look makes at most five calls of lstat, and reads state.json if
 * it has changed.
 */
export class ReadinessCheck {
  readonly #sandbox: FoundSandbox;
  readonly #options: ReadinessOptions;
  readonly #paths: Readonly<Record<"socket" | "state" | "persist" | "vm" | "jail", string>>;
  #record: SocketRecord | undefined;

  constructor(sandbox: FoundSandbox, options: ReadinessOptions) {
    const { directory, id } = sandbox;
    this.#sandbox = sandbox;
    this.#options = options;
    this.#paths = {
      socket: join(directory, SOCKET_NAME),
      state: join(directory, "state.json"),
      persist: join(directory, "persist.json"),
      vm: join(dirname(dirname(directory)), "vm", id),
      jail: join(dirname(directory), JAILER, id),
    };
  }

  /** Looks at the sandbox's files now. Never throws. */
  look(): Readiness {
    try {
      const state = statOf(this.#paths.state);
      const persist = statOf(this.#paths.persist);
      const socket = statOf(this.#paths.socket);
      // The time is read after the files' times, so that a file that was written just now is not dated later than now.
      const nowMs = this.#options.nowMs();
      const record = this.#recordOf(socket, state, nowMs);
      if (record === undefined) return notReady("pending", "no_socket", "there is no socket yet");
      const stateReading = record.stateFile.reading(state, nowMs);
      const removed = this.#removedFile(record.seen, {
        persist: persist !== undefined,
        state: stateReading.kind === "older" ? undefined : state !== undefined,
        // The Go shim removes the VM's directory when the VM has stopped, and the sandbox's own directory later.
        vm: isThere(this.#paths.vm),
      });
      if (removed !== undefined)
        return notReady("ending", "removal", `${basename(removed)} has gone: it is being removed`);
      if (socket === undefined) return notReady("pending", "no_socket", "there is no socket any more");
      // A link could lead to another sandbox, or to a service to which GET /metrics means something else.
      if (!socket.isSocket()) return notReady("unsafe", "not_a_socket", `${SOCKET_NAME} is no socket`);
      const evidence = {
        runtime: this.#sandbox.runtime,
        state: stateReading,
        hasPersist: persist?.isFile() === true,
        isJailed: () => this.#isJailed(),
      };
      const verdict = verdictOn(evidence, this.#options.allowed);
      return typeof verdict === "string" ? { state: "ready", shim: verdict } : verdict;
    } catch (error) {
      return notReady("pending", "unreadable", accessFault(this.#sandbox.directory, error));
    }
  }

  /** Looks again, and returns whether a sandbox that was ready at the last look still is, with the same socket. */
  isStillReady(): boolean {
    const before = this.#record;
    return this.look().state === "ready" && this.#record === before;
  }

  /** Returns the record of the socket, or of the last one if there is no socket now; undefined if there was none. */
  #recordOf(socket: Stats | undefined, state: Stats | undefined, nowMs: number): SocketRecord | undefined {
    const before = this.#record;
    if (socket === undefined || (before !== undefined && isSame(socket, before.socket))) return before;
    const stateFile = new StateFile(this.#paths.state, socket, { stat: state, nowMs });
    this.#record = { socket, stateFile, seen: new Set() };
    return this.#record;
  }

  /** Returns the path of a file that existed and is gone: the sandbox is being removed, though its directory still exists. */
  #removedFile(
    seen: Set<string>,
    there: Readonly<Record<"persist" | "state" | "vm", boolean | undefined>>,
  ): string | undefined {
    for (const mark of ["persist", "state", "vm"] as const) {
      const path = this.#paths[mark];
      if (there[mark] === true) seen.add(path);
      else if (there[mark] === false && seen.has(path)) return path;
    }
    return undefined;
  }

  /**
   * Returns whether the jailer's tree has the sandbox. A sandbox whose id is the name of that tree is never jailed: the
   * directories in it are its containers.
   */
  #isJailed(): boolean {
    if (this.#sandbox.id === JAILER) return false;
    const { jail } = this.#paths;
    const jailed = isThere(jail);
    if (jailed === undefined) throw new Error(`no access to "${jail}", where a jailed Firecracker would be`);
    return jailed;
  }
}

/** The ctime is compared too, since an inode's number may be given to the next socket. */
function isSame(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.ctimeMs === other.ctimeMs && one.dev === other.dev;
}

/** Returns whether something is at the path; undefined if the path cannot be looked at. */
function isThere(path: string): boolean | undefined {
  try {
    return statOf(path) !== undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOTDIR" ? false : undefined;
  }
}
