// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { hasProgram } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { pauseImage, pauseImageIsPossible } from "./pause_image.ts";

const run = promisify(execFile);

export interface PodSpec {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A real containerd with its own state, which runs pod sandboxes without a kubelet. */
export interface Containerd {
  /** `unix:///…`, the same after a restart. */
  readonly endpoint: string;
  /** Creates a pod sandbox in the node's network; resolves to its id. */
  runPod(pod: PodSpec): Promise<string>;
  /** Stops the sandbox, which stays in the list as not ready. */
  stopPod(id: string): Promise<void>;
  removePod(id: string): Promise<void>;
  /** Kills the daemon as a crash does; the sandboxes go on. */
  kill(): Promise<void>;
  /** Ends the daemon if it runs, and starts it again on its state. */
  restart(): Promise<void>;
  /** Ends every sandbox and the daemon, and leaves no mount, process or file. */
  close(): Promise<void>;
}

/** Starts containerd. Resolves to undefined where it is not installed, without root, or on an unsupported machine. */
export async function startContainerd(): Promise<Containerd | undefined> {
  const programs = ["containerd", "ctr", "runc"];
  if (process.getuid?.() !== 0 || !pauseImageIsPossible) return undefined;
  if (!programs.every((program) => hasProgram(program))) return undefined;
  const daemon = new Daemon(await mkdtemp(join(tmpdir(), "containerd-")));
  try {
    await daemon.prepare();
    await daemon.start();
    await daemon.importPauseImage();
  } catch (error) {
    await daemon.close();
    throw error;
  }
  return daemon;
}

const PAUSE_IMAGE = "kata-collector.test/pause:1";
const CALL_TIMEOUT_MS = 30_000;
/** NamespaceMode.NODE of the CRI: the host's network, so that no network plugin is needed. */
const HOST_NETWORK = 2;

class Daemon implements Containerd {
  readonly endpoint: string;
  readonly #dir: string;
  readonly #socketPath: string;
  readonly #client: Client;
  readonly #pods = new Set<string>();
  #process: ChildProcess | undefined;

  constructor(dir: string) {
    this.#dir = dir;
    this.#socketPath = join(dir, "c.sock");
    this.endpoint = `unix://${this.#socketPath}`;
    this.#client = new Client(this.endpoint, credentials.createInsecure(), {
      "grpc.max_reconnect_backoff_ms": 500,
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  async prepare(): Promise<void> {
    await writeFile(join(this.#dir, "config.toml"), daemonConfig(this.#dir, this.#socketPath));
    await writeFile(join(this.#dir, "pause.tar"), pauseImage(PAUSE_IMAGE));
  }

  async start(): Promise<void> {
    const log = openSync(join(this.#dir, "log"), "a");
    const daemon = spawn("containerd", ["--config", join(this.#dir, "config.toml")], {
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#process = daemon;
    const deadline = () => ({ deadline: Date.now() + 500 });
    await poll("containerd to answer", async () => {
      if (daemon.exitCode !== null) throw new Error(`containerd ended:\n${await this.#logTail()}`);
      const answer = await this.#call("Version", new Uint8Array(0), deadline()).catch(() => undefined);
      return answer === undefined ? undefined : true;
    });
  }

  async importPauseImage(): Promise<void> {
    const archive = join(this.#dir, "pause.tar");
    const address = ["--address", this.#socketPath, "--namespace", "k8s.io"];
    await run("ctr", [...address, "images", "import", "--snapshotter", "native", archive]);
  }

  async runPod(pod: PodSpec): Promise<string> {
    const answer = await this.#call("RunPodSandbox", encodeRunPodSandbox(pod)).catch(
      async (error: unknown) => {
        throw new Error(`cannot run pod "${pod.name}":\n${await this.#logTail()}`, { cause: error });
      },
    );
    const reader = new BinaryReader(answer);
    reader.tag();
    const id = reader.string();
    this.#pods.add(id);
    return id;
  }

  async stopPod(id: string): Promise<void> {
    await this.#call("StopPodSandbox", message({ 1: id }));
  }

  async removePod(id: string): Promise<void> {
    await this.stopPod(id);
    await this.#call("RemovePodSandbox", message({ 1: id }));
    this.#pods.delete(id);
  }

  async kill(): Promise<void> {
    const daemon = this.#process;
    this.#process = undefined;
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const ended = once(daemon, "exit");
    daemon.kill("SIGKILL");
    await ended;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  async close(): Promise<void> {
    try {
      if (this.#pods.size > 0 && this.#process === undefined) await this.start();
      for (const id of this.#pods) await this.removePod(id);
    } finally {
      this.#client.close();
      await this.kill();
      await this.#endShims();
      await this.#unmount();
      await rm(this.#dir, { recursive: true, force: true });
    }
  }

  /** Kills the shims where removing the pods failed. Only these shims have our socket in their arguments. */
  async #endShims(): Promise<void> {
    for (const entry of await readdir("/proc")) {
      const pid = Number(entry);
      if (!Number.isInteger(pid)) continue;
      const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      if (!command.split("\0").includes(this.#socketPath)) continue;
      // The shim is the parent of its sandbox's first process, with which the kernel ends all others of the sandbox.
      for (const child of await childrenOf(pid)) killIfThere(child);
      killIfThere(pid);
    }
  }

  async #unmount(): Promise<void> {
    const mounts = await readFile("/proc/self/mounts", "utf8");
    const ours = mounts
      .split("\n")
      .map((line) => line.split(" ")[1] ?? "")
      .filter((path) => path.startsWith(`${this.#dir}/`));
    for (const path of ours.reverse()) await run("umount", ["--lazy", path]);
  }

  async #logTail(): Promise<string> {
    const log = await readFile(join(this.#dir, "log"), "utf8");
    return log.split("\n").slice(-15).join("\n");
  }

  #call(
    method: string,
    request: Uint8Array,
    options = { deadline: Date.now() + CALL_TIMEOUT_MS },
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const path = `/runtime.v1.RuntimeService/${method}`;
      const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
      this.#client.makeUnaryRequest(path, same, same, request, new Metadata(), options, (error, answer) => {
        if (error !== null) reject(error);
        else resolve(answer ?? new Uint8Array(0));
      });
    });
  }
}

/** Makes a configuration with all files in `dir`, no network listener, and nothing that needs a privileged container. */
function daemonConfig(dir: string, socketPath: string): string {
  const cri = `plugins."io.containerd.grpc.v1.cri"`;
  const unused = ["aufs", "btrfs", "devmapper", "overlayfs", "zfs"].map(
    (name) => `io.containerd.snapshotter.v1.${name}`,
  );
  return `
version = 2
root = ${JSON.stringify(join(dir, "root"))}
state = ${JSON.stringify(join(dir, "state"))}
disabled_plugins = ${JSON.stringify([...unused, "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing"])}
[grpc]
address = ${JSON.stringify(socketPath)}
[${cri}]
sandbox_image = ${JSON.stringify(PAUSE_IMAGE)}
disable_tcp_service = true
restrict_oom_score_adj = true
[${cri}.containerd]
snapshotter = "native"
[${cri}.cni]
bin_dir = ${JSON.stringify(join(dir, "cni"))}
conf_dir = ${JSON.stringify(join(dir, "cni"))}
`;
}

/** Encodes a RunPodSandboxRequest with the field numbers of the CRI. */
function encodeRunPodSandbox({ name, namespace, uid, labels = {}, annotations = {} }: PodSpec): Uint8Array {
  const securityContext = message({ 1: new BinaryWriter().uint32(8).int32(HOST_NETWORK).finish() });
  const config = message({
    1: message({ 1: name, 2: uid, 3: namespace }),
    6: Object.entries(labels).map(([key, value]) => message({ 1: key, 2: value })),
    7: Object.entries(annotations).map(([key, value]) => message({ 1: key, 2: value })),
    8: message({ 2: securityContext }),
  });
  return message({ 1: config });
}

type Field = string | Uint8Array | readonly Uint8Array[];

/** Encodes a protobuf message of length-delimited fields: strings, messages and lists of messages. */
function message(fields: Readonly<Record<number, Field>>): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, field] of Object.entries(fields)) {
    for (const value of Array.isArray(field) ? field : [field]) {
      writer.uint32((Number(number) << 3) | 2);
      if (typeof value === "string") writer.string(value);
      else writer.bytes(value);
    }
  }
  return writer.finish();
}

async function childrenOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return children.split(" ").filter(Boolean).map(Number);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // The process has ended by itself.
  }
}
