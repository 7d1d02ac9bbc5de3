// SPDX-License-Identifier: Apache-2.0
import { rm } from "node:fs/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import {
  ContainerEventResponseSchema,
  ListPodSandboxResponseSchema,
  type PodSandbox,
  PodSandboxSchema,
  PodSandboxStatusSchema,
  VersionResponseSchema,
} from "../cri/generated/runtime_pb.ts";
import { removeDeadSocket } from "../sockets/dead_socket.ts";
import { rawMethod } from "./raw_method.ts";

/** A pod sandbox of the simulated runtime. */
export interface SimulatedPod {
  readonly id: string;
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly runtimeHandler: string;
  readonly createdAtMs: number;
  /**
   * Whether the pod is ready; true if left out. A pod that has ended stays in the list for a while, but is not ready.
   */
  readonly isReady?: boolean;
}

/** How the runtime answers. */
export interface CriBehaviour {
  /** Takes calls and never answers them. */
  readonly hang?: boolean;
  /** Answers lists this many milliseconds later, as on a loaded node. */
  readonly delayMs?: number;
  /** Fails every call with this gRPC status. */
  readonly errorCode?: number;
  /** Fills lists up to about this many bytes with pods that are not on the node. */
  readonly answerBytes?: number;
  /** Answers lists with bytes that are no list. */
  readonly garbage?: boolean;
  /**
   * Whether there is a stream of events; true if left out. If false, its call fails as unimplemented, as in containerd
   * before 1.7.
   */
  readonly events?: boolean;
}

export interface CriServerOptions {
  readonly socketPath: string;
  /** "containerd" by default. */
  readonly runtimeName?: string;
  /** "2.0.0" by default. */
  readonly runtimeVersion?: string;
}

/** A container runtime that serves CRI v1 on a real socket. */
export interface CriServer {
  /** `unix:///…` */
  readonly endpoint: string;
  /** Adds the pod to the list, and sends an event to all clients of the event stream. */
  add(pod: SimulatedPod): void;
  remove(id: string): void;
  /** Replaces the behaviour that an earlier call set. `{}` is a healthy runtime. */
  behave(behaviour: CriBehaviour): void;
  /** How often each method was called. */
  readonly calls: { readonly list: number; readonly version: number; readonly events: number };
  /** Cuts every connection, and removes the socket. */
  close(): Promise<void>;
}

type Unary = (call: unknown, answer: sendUnaryData<Uint8Array>) => void;
type Events = ServerWritableStream<Uint8Array, Uint8Array>;

/** Starts a runtime without pods. Rejects if it cannot listen on the socket. */
export async function startCriServer(options: CriServerOptions): Promise<CriServer> {
  const { socketPath, runtimeName = "containerd", runtimeVersion = "2.0.0" } = options;
  const pods = new Map<string, PodSandbox>();
  const listeners = new Set<Events>();
  const calls = { list: 0, version: 0, events: 0 };
  let behaviour: CriBehaviour = {};

  const unary = (method: "list" | "version", answerBytes: () => Uint8Array): Unary => {
    return (_call, answer) => {
      calls[method]++;
      const { hang, errorCode, delayMs = 0 } = behaviour;
      if (hang === true) return;
      if (errorCode !== undefined) answer({ code: errorCode, details: "simulated failure" });
      else if (delayMs === 0 || method === "version") answer(null, answerBytes());
      else setTimeout(() => answer(null, answerBytes()), delayMs).unref();
    };
  };
  const version = unary("version", () =>
    toBinary(
      VersionResponseSchema,
      create(VersionResponseSchema, { version: "0.1.0", runtimeName, runtimeVersion }),
    ),
  );
  const list = unary("list", () => {
    if (behaviour.garbage === true) return Buffer.from("this is not a list of pods");
    return encodeList([...pods.values()], behaviour.answerBytes ?? 0);
  });
  const events = (stream: Events): void => {
    calls.events++;
    if (behaviour.hang === true) return;
    const { errorCode, events: offered = true } = behaviour;
    const code = errorCode ?? (offered ? undefined : status.UNIMPLEMENTED);
    if (code !== undefined) {
      stream.emit("error", { code, details: "simulated failure" });
      return;
    }
    listeners.add(stream);
    stream.on("cancelled", () => listeners.delete(stream));
  };
  const tell = (pod: PodSandbox): void => {
    const event = encodeEvent(pod);
    for (const listener of listeners) listener.write(event);
  };

  const server = new Server({ "grpc.max_send_message_length": -1 });
  server.addService(SERVICE, { version, list, events });
  await bind(server, socketPath);
  return {
    endpoint: `unix://${socketPath}`,
    calls,
    add(pod) {
      const sandbox = sandboxOf(pod);
      pods.set(pod.id, sandbox);
      tell(sandbox);
    },
    remove(id) {
      const pod = pods.get(id);
      pods.delete(id);
      if (pod !== undefined) tell(pod);
    },
    behave(next) {
      behaviour = next;
    },
    async close() {
      server.forceShutdown();
      await rm(socketPath, { force: true });
    },
  };
}

const SERVICE = {
  version: method("Version", false),
  list: method("ListPodSandbox", false),
  events: method("GetContainerEvents", true),
};

function method(name: string, responseStream: boolean): MethodDefinition<Buffer, Buffer> {
  return rawMethod(`/runtime.v1.RuntimeService/${name}`, { responseStream });
}

async function bind(server: Server, socketPath: string): Promise<void> {
  // A simulator that was killed leaves its socket behind.
  await removeDeadSocket(socketPath);
  const target = `unix://${socketPath}`;
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(target, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(new Error(`cannot listen on "${target}": ${error.message}`));
    });
  });
}

function sandboxOf({ id, uid, name, namespace, createdAtMs, ...pod }: SimulatedPod): PodSandbox {
  const { isReady = true } = pod;
  return create(PodSandboxSchema, {
    id,
    metadata: { uid, name, namespace },
    state: isReady ? 0 : 1,
    createdAt: BigInt(Math.round(createdAtMs)) * 1_000_000n,
    labels: { ...pod.labels },
    annotations: { ...pod.annotations },
    runtimeHandler: pod.runtimeHandler,
  });
}

/**
 * Encodes a list. Pods that fill it up come first, so that a client which reads only a part of the list misses the real
 * ones.
 */
function encodeList(pods: readonly PodSandbox[], answerBytes: number): Uint8Array {
  const strangers: PodSandbox[] = [];
  for (let left = answerBytes; left > 0; left -= STRANGER_BYTES) {
    const annotations = { note: "x".repeat(STRANGER_BYTES) };
    const metadata = { name: `stranger-${left}`, uid: `stranger-${left}`, namespace: "elsewhere" };
    strangers.push(create(PodSandboxSchema, { id: `stranger-${left}`, metadata, annotations }));
  }
  const items = [...strangers, ...pods];
  return toBinary(ListPodSandboxResponseSchema, create(ListPodSandboxResponseSchema, { items }));
}

const STRANGER_BYTES = 4_096;

function encodeEvent({
  id,
  metadata,
  createdAt,
  labels,
  annotations,
  runtimeHandler,
}: PodSandbox): Uint8Array {
  const podSandboxStatus = create(PodSandboxStatusSchema, {
    id,
    ...(metadata === undefined ? {} : { metadata }),
    createdAt,
    labels,
    annotations,
    runtimeHandler,
  });
  const event = create(ContainerEventResponseSchema, { containerId: id, podSandboxStatus });
  return toBinary(ContainerEventResponseSchema, event);
}
