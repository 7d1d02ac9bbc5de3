// SPDX-License-Identifier: Apache-2.0
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import {
  ContainerEventResponseSchema,
  type PodSandbox,
  PodSandboxMetadataSchema,
  PodSandboxSchema,
  type PodSandboxStatus,
} from "./generated/runtime_pb.ts";

/** A pod sandbox as the container runtime knows it. None of these fields changes during the life of the sandbox. */
export interface Pod {
  /** The sandbox's id, which is also the name of its directory on the node. */
  readonly id: string;
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Empty if the pod has the runtime's default handler, or if the runtime does not name it. */
  readonly runtimeHandler: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
}

/** A pod of a list, without labels and annotations, which may have megabytes. */
export interface ListedPod {
  readonly id: string;
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly runtimeHandler: string;
  readonly isReady: boolean;
  /** Unix milliseconds; 0 if the runtime does not tell. */
  readonly createdAtMs: number;
}

/** A runtime's whole list of pod sandboxes, ready or not. Nothing in it refers to the bytes of the answer. */
export interface PodList {
  /** All pods, by id. */
  readonly all: ReadonlyMap<string, ListedPod>;
  /** The pods for which `wanted` returned true, with labels and annotations. */
  readonly wanted: readonly Pod[];
}

/** An event of the runtime's stream. */
export interface PodEvent {
  /** The id of the container. For an event about the sandbox itself, it is the sandbox's id. */
  readonly containerId: string;
  /** Undefined if the event says nothing about the pod, for example because the pod is gone. */
  readonly pod: Pod | undefined;
}

/** The number of the field of ListPodSandboxResponse that has the sandboxes. */
const ITEMS = 1;

/**
 * Decodes an answer to ListPodSandbox. Labels and annotations of pods that are not wanted are skipped, because an
 * answer may have 16 MiB, and usually one pod is wanted. Throws if the bytes are no answer to ListPodSandbox.
 */
export function decodeList(answer: Uint8Array, wanted: (id: string) => boolean): PodList {
  const all = new Map<string, ListedPod>();
  const pods: Pod[] = [];
  const reader = new BinaryReader(answer);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== ITEMS || wireType !== WireType.LengthDelimited) {
      reader.skip(wireType, field);
      continue;
    }
    const item = reader.bytes();
    const listed = listedPodOf(item);
    all.set(listed.id, listed);
    if (wanted(listed.id)) pods.push(podOf(decode(PodSandboxSchema, item)));
  }
  return { all, wanted: pods };
}

/** Decodes an event. Throws if the bytes are no event. */
export function decodeEvent(bytes: Uint8Array): PodEvent {
  const { containerId, podSandboxStatus } = decode(ContainerEventResponseSchema, bytes);
  const hasPod = podSandboxStatus !== undefined && podSandboxStatus.id !== "";
  return { containerId, pod: hasPod ? podOf(podSandboxStatus) : undefined };
}

/** Decodes a message. Fields that our subset of the CRI does not have are dropped. */
export function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  return fromBinary(schema, bytes, { readUnknownFields: false });
}

/** Decodes a PodSandbox by its field numbers, and skips its labels and annotations. */
function listedPodOf(item: Uint8Array): ListedPod {
  const pod = { id: "", uid: "", name: "", namespace: "", runtimeHandler: "", isReady: true, createdAtMs: 0 };
  const reader = new BinaryReader(item);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) pod.id = reader.string();
    else if (field === 2 && wireType === WireType.LengthDelimited)
      Object.assign(pod, namesOf(reader.bytes()));
    else if (field === 3 && wireType === WireType.Varint) pod.isReady = reader.int32() === 0;
    else if (field === 4 && wireType === WireType.Varint) pod.createdAtMs = Number(reader.int64()) / 1e6;
    else if (field === 7 && wireType === WireType.LengthDelimited) pod.runtimeHandler = reader.string();
    else reader.skip(wireType, field);
  }
  return pod;
}

function namesOf(metadata: Uint8Array): Pick<ListedPod, "name" | "uid" | "namespace"> {
  const { name, uid, namespace } = decode(PodSandboxMetadataSchema, metadata);
  return { name, uid, namespace };
}

function podOf({ id, metadata, runtimeHandler, labels, annotations }: PodSandbox | PodSandboxStatus): Pod {
  return {
    id,
    uid: metadata?.uid ?? "",
    name: metadata?.name ?? "",
    namespace: metadata?.namespace ?? "",
    runtimeHandler,
    labels: new Map(Object.entries(labels)),
    annotations: new Map(Object.entries(annotations)),
  };
}
