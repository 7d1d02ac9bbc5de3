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

/** What the container runtime knows about a pod sandbox; fixed from its creation to its end. */
export interface Pod {
  /** The sandbox's id, which is also the name of its directory on the node. */
  readonly id: string;
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Empty where the runtime uses its default or does not say. */
  readonly runtimeHandler: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
}

/** What a list says about each of its pods; labels and annotations, which may be megabytes, are left out. */
export interface ListedPod {
  readonly id: string;
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly runtimeHandler: string;
  readonly isReady: boolean;
  /** Unix milliseconds; 0 where the runtime does not say. */
  readonly createdAtMs: number;
}

/** A runtime's whole list of pod sandboxes, ready or not. Nothing in it holds on to the answer's bytes. */
export interface PodList {
  /** By id. */
  readonly all: ReadonlyMap<string, ListedPod>;
  /** The wanted ones of them, with labels and annotations. */
  readonly wanted: readonly Pod[];
}

/** What an event of the stream is about. */
export interface PodEvent {
  /** A container's id, which is the sandbox's for events of the sandbox itself. */
  readonly containerId: string;
  /** Undefined where the event says nothing about the pod, as for one that is gone. */
  readonly pod: Pod | undefined;
}

/** The field of ListPodSandboxResponse that holds the sandboxes. */
const ITEMS = 1;

/**
 * Reads a ListPodSandbox answer. Labels and annotations of pods that are not wanted are stepped over and not decoded:
 * an answer may be 16 MiB, and what is wanted is usually one pod. Throws on bytes that are no such answer.
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

export function decodeEvent(bytes: Uint8Array): PodEvent {
  const { containerId, podSandboxStatus } = decode(ContainerEventResponseSchema, bytes);
  const hasPod = podSandboxStatus !== undefined && podSandboxStatus.id !== "";
  return { containerId, pod: hasPod ? podOf(podSandboxStatus) : undefined };
}

/** Fields that our subset of the CRI leaves out are not kept. */
export function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  return fromBinary(schema, bytes, { readUnknownFields: false });
}

/** By the field numbers of PodSandbox. */
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
