// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import type { Runtime } from "../../../src/receivers/kata/discovery/root.ts";

/** The shims that may be behind a socket: the Go shim, or runtime-rs with this hypervisor. */
export const SHIMS = ["go", "clh", "dragonball", "qemu", "newvmm", "jailed"] as const;
export type ShimTruth = (typeof SHIMS)[number];

/** An event in the files of one sandbox. Events may come in any order; one that is impossible at that time does nothing. */
export type LifeEvent =
  | `${"bind" | "move in"} ${ShimTruth}`
  | "directory"
  | "persist"
  | "jail"
  | "state"
  | "half a state"
  | "garbage"
  | "doubled key"
  | `old ${"clh" | "qemu"} state`
  | "chmod"
  | `${"state" | "socket" | "directory"} goes`;

export const LIFE_EVENTS: readonly LifeEvent[] = [
  ...SHIMS.flatMap((truth): LifeEvent[] => [`bind ${truth}`, `move in ${truth}`]),
  ...(["directory", "persist", "jail", "state", "half a state", "garbage", "doubled key"] as const),
  ...(["old clh state", "old qemu state", "chmod"] as const),
  ...(["state goes", "socket goes", "directory goes"] as const),
];

const PAGE = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nkata_shim_fds 1\n";
const HOUR_S = 3_600;

interface LiveShim {
  readonly truth: ShimTruth;
  readonly server: Server;
  requests: number;
}

/** A sandbox's files and its real socket, as one shim, or several shims one after the other, make them. */
export class SandboxLife {
  readonly directory: string;
  readonly #jail: string;
  readonly #root: string;
  readonly #runtime: Runtime;
  readonly #shims: LiveShim[] = [];
  #shim: LiveShim | undefined;

  constructor({ root, id, runtime }: { root: string; id: string; runtime: Runtime }) {
    this.#root = root;
    this.#runtime = runtime;
    this.directory = join(root, id);
    this.#jail = join(root, "firecracker", id);
  }

  /** The number of requests to shims that abort when they are asked, which ends their pods. */
  get harm(): number {
    return this.#shims.filter(({ truth }) => !isSafe(truth)).reduce((sum, { requests }) => sum + requests, 0);
  }

  /** The number of requests to the present shim; undefined where there is none, or one that must not be asked. */
  get safeRequests(): number | undefined {
    const shim = this.#shim;
    return shim !== undefined && isSafe(shim.truth) ? shim.requests : undefined;
  }

  apply(event: LifeEvent): void {
    const truth = this.#shim?.truth;
    const isRs = truth !== undefined && truth !== "go";
    if (event === "directory") mkdirSync(this.directory, { recursive: true });
    else if (event.startsWith("move in ")) this.#moveIn(event.slice("move in ".length) as ShimTruth);
    else if (!existsSync(this.directory)) return;
    else if (event.startsWith("bind ")) this.#bind(event.slice("bind ".length) as ShimTruth);
    else if (event === "persist" && !isRs) this.#write("persist.json", "{}");
    else if (event === "jail" && truth === "jailed") mkdirSync(this.#jail, { recursive: true });
    else if (event === "state" && isRs && truth !== "jailed") this.#write("state.json", stateText(truth));
    else if (event === "half a state" && isRs) this.#write("state.json", stateText("clh").slice(0, -3));
    else if (event === "garbage" && isRs) this.#write("state.json", "[]");
    else if (event === "doubled key" && isRs) this.#write("state.json", DOUBLED);
    else if (event === "old clh state") this.#writeOld("clh");
    else if (event === "old qemu state") this.#writeOld("qemu");
    else if (event === "chmod" && truth !== undefined) chmodSync(this.#socket, 0o711);
    else if (event === "state goes" && !(isRs && this.#runtime === "go"))
      rmSync(this.#state, { force: true });
    else if (event === "socket goes") this.#leave();
    else if (event === "directory goes") this.#removeDirectory();
  }

  /** Makes all files that the present shim, if there is one, has made by the time its pod runs. */
  finish(): void {
    this.apply("jail");
    this.apply("state");
    if (this.#shim?.truth === "go") this.apply("persist");
  }

  close(): void {
    for (const { server } of this.#shims) server.close();
  }

  get #socket(): string {
    return join(this.directory, "shim-monitor.sock");
  }

  get #state(): string {
    return join(this.directory, "state.json");
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text);
  }

  #writeOld(hypervisor: string): void {
    this.#write("state.json", stateText(hypervisor));
    dateBy(this.#state, -HOUR_S);
  }

  /** Starts a shim in the directory, where an earlier sandbox may have left its state. */
  #bind(truth: ShimTruth): void {
    // Under a root of Go the agent asks without proof, so that there runtime-rs comes only with what proves it.
    if (!this.#mayCome(truth) || (this.#runtime === "go" && truth !== "go" && truth !== "jailed")) return;
    this.#leave();
    if (this.#runtime === "go" && truth === "jailed") mkdirSync(this.#jail, { recursive: true });
    // In half of the cases the clock was set back between the two sandboxes.
    if (existsSync(this.#state)) dateBy(this.#state, this.#shims.length % 2 === 0 ? -HOUR_S : HOUR_S);
    // The Go shim removes the directory with all files, so that runtime-rs never finds its persist.json.
    if (truth !== "go") rmSync(join(this.directory, "persist.json"), { force: true });
    this.#listen(truth, this.#socket);
  }

  /** Replaces the sandbox's directory by a complete one of this shim. */
  #moveIn(truth: ShimTruth): void {
    if (!this.#mayCome(truth)) return;
    const made = mkdtempSync(join(this.#root, "..", "made-"));
    this.#removeDirectory();
    if (truth === "jailed") mkdirSync(this.#jail, { recursive: true });
    this.#listen(truth, join(made, "shim-monitor.sock"));
    if (truth === "go") writeFileSync(join(made, "persist.json"), "{}");
    else if (truth !== "jailed") writeFileSync(join(made, "state.json"), stateText(truth));
    renameSync(made, this.directory);
  }

  /** Returns whether the shim can be under this root: a root of runtime-rs has no Go shim. */
  #mayCome(truth: ShimTruth): boolean {
    return this.#runtime !== "rs" || truth !== "go";
  }

  #listen(truth: ShimTruth, path: string): void {
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.once("data", () => {
        shim.requests++;
        socket.end(PAGE);
      });
    });
    const shim: LiveShim = { truth, server, requests: 0 };
    server.listen(path);
    assert.ok(existsSync(path), "a server binds at once");
    this.#shims.push(shim);
    this.#shim = shim;
  }

  #removeDirectory(): void {
    this.#leave();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Removes the shim's socket and its jail. A client that has connected already may still send a request. */
  #leave(): void {
    this.#shim = undefined;
    rmSync(this.#socket, { force: true });
    rmSync(this.#jail, { recursive: true, force: true });
  }
}

const DOUBLED = '{"hypervisor":{"hypervisor_type":"qemu","hypervisor\\u005ftype":"clh"}}';

function isSafe(truth: ShimTruth): boolean {
  return truth === "go" || truth === "clh" || truth === "dragonball";
}

function stateText(hypervisor: string): string {
  return JSON.stringify({ sandbox_type: "virtcontainer", hypervisor: { hypervisor_type: hypervisor } });
}

function dateBy(path: string, seconds: number): void {
  const time = Date.now() / 1_000 + seconds;
  utimesSync(path, time, time);
}
