// SPDX-License-Identifier: Apache-2.0
import type { Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { ShimKind } from "../../kata/known_families.ts";
import { accessFault } from "./access_fault.ts";
import { type FoundSandbox, JAILER } from "./discovery.ts";
import { statOf } from "./identity.ts";
import { StateFile } from "./state_file.ts";
import { type NotReady, notReady, type UnsafeHypervisor, verdictOn } from "./verdict.ts";

export const SOCKET_NAME = "shim-monitor.sock";

/** Whether a sandbox may be asked now. */
export type Readiness = { readonly state: "ready"; readonly shim: ShimKind } | NotReady;

export interface ReadinessOptions {
  readonly allowed: readonly UnsafeHypervisor[];
  /** Gives Unix milliseconds. */
  nowMs(): number;
}

/** What belongs to one socket. */
interface Beside {
  readonly socket: Stats;
  readonly stateFile: StateFile;
  /** What has been there, of what a sandbox has from its start to its teardown. */
  readonly lived: Set<string>;
}

/**
 * Decides from files alone whether a sandbox may be asked. What it remembers belongs to one socket: another one, or the
 * same one after its ctime has changed, has to prove itself anew. A look costs five calls of lstat or less; state.json
 * is read when it has changed.
 */
export class ReadinessCheck {
  readonly #sandbox: FoundSandbox;
  readonly #options: ReadinessOptions;
  readonly #paths: Readonly<Record<"socket" | "state" | "persist" | "vm" | "jail", string>>;
  #beside: Beside | undefined;

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
      // Later than all of them, so that what was written this instant is not dated later than now.
      const nowMs = this.#options.nowMs();
      const beside = this.#besideOf(socket, state, nowMs);
      if (beside === undefined) return notReady("pending", "no_socket", "there is no socket yet");
      const stateReading = beside.stateFile.reading(state, nowMs);
      const gone = this.#noteLife(beside.lived, {
        persist: persist !== undefined,
        state: stateReading.kind === "older" ? undefined : state !== undefined,
        // The Go shim removes it when the VM has stopped, and the sandbox's directory later.
        vm: isThere(this.#paths.vm),
      });
      if (gone !== undefined)
        return notReady("ending", "removal", `${basename(gone)} has gone: it is being removed`);
      if (socket === undefined) return notReady("pending", "no_socket", "there is no socket any more");
      // A link could lead to another sandbox, or to a service that GET /metrics does something to.
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

  /** Whether a sandbox that was ready at the last look still is, with the same socket. */
  isStillReady(): boolean {
    const before = this.#beside;
    return this.look().state === "ready" && this.#beside === before;
  }

  /** What belongs to the socket that is there, or to the last one where there is none. */
  #besideOf(socket: Stats | undefined, state: Stats | undefined, nowMs: number): Beside | undefined {
    const before = this.#beside;
    if (socket === undefined || (before !== undefined && isSame(socket, before.socket))) return before;
    const stateFile = new StateFile(this.#paths.state, socket, { stat: state, nowMs });
    this.#beside = { socket, stateFile, lived: new Set() };
    return this.#beside;
  }

  /** Returns what was there and has gone: the sandbox is being removed, though its directory is still there. */
  #noteLife(
    lived: Set<string>,
    there: Readonly<Record<"persist" | "state" | "vm", boolean | undefined>>,
  ): string | undefined {
    for (const mark of ["persist", "state", "vm"] as const) {
      const path = this.#paths[mark];
      if (there[mark] === true) lived.add(path);
      else if (there[mark] === false && lived.has(path)) return path;
    }
    return undefined;
  }

  /** The jailer's tree itself may be a sandbox of that name, which has its containers where jailed ones would be. */
  #isJailed(): boolean {
    if (this.#sandbox.id === JAILER) return false;
    const { jail } = this.#paths;
    const jailed = isThere(jail);
    if (jailed === undefined) throw new Error(`no access to "${jail}", where a jailed Firecracker would be`);
    return jailed;
  }
}

/** By inode and ctime: an inode's number may be given to the next socket. */
function isSame(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.ctimeMs === other.ctimeMs && one.dev === other.dev;
}

/** Undefined where that cannot be known. */
function isThere(path: string): boolean | undefined {
  try {
    return statOf(path) !== undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOTDIR" ? false : undefined;
  }
}
