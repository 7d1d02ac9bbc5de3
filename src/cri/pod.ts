import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import {
  ContainerEventResponseSchema,
  type PodSandbox,
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

/** The field of ListPodSandboxResponse that holds the sandboxes, and the one of PodSandbox that holds the id. */
const ITEMS = 1;
const ID = 1;

/**
 * The pods of a ListPodSandbox answer that are wanted. The others are stepped over and not decoded: an answer may be
 * 16 MiB, and what is wanted is usually one pod. Throws on bytes that are no such answer.
 */
export function decodePods(answer: Uint8Array, wanted: (id: string) => boolean): Map<string, Pod> {
  const pods = new Map<string, Pod>();
  const reader = new BinaryReader(answer);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== ITEMS || wireType !== WireType.LengthDelimited) {
      reader.skip(wireType, field);
      continue;
    }
    const item = reader.bytes();
    if (!wanted(idOf(item))) continue;
    const pod = podOf(decode(PodSandboxSchema, item));
    pods.set(pod.id, pod);
  }
  return pods;
}

/** The pod that an event of the stream tells about; undefined where the event says nothing about it. */
export function decodeEvent(event: Uint8Array): Pod | undefined {
  const { podSandboxStatus } = decode(ContainerEventResponseSchema, event);
  return podSandboxStatus === undefined || podSandboxStatus.id === "" ? undefined : podOf(podSandboxStatus);
}

/** Fields that our subset of the CRI leaves out are not kept. */
export function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  return fromBinary(schema, bytes, { readUnknownFields: false });
}

function idOf(item: Uint8Array): string {
  const reader = new BinaryReader(item);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === ID && wireType === WireType.LengthDelimited) return reader.string();
    reader.skip(wireType, field);
  }
  return "";
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
