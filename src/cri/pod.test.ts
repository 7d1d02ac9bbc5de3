// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  ContainerEventResponseSchema,
  ListPodSandboxResponseSchema,
  PodSandboxSchema,
  PodSandboxStatusSchema,
} from "./generated/runtime_pb.ts";
import { decodeEvent, decodeList } from "./pod.ts";

const NOT_READY = 1;

function sandbox(id: string, state = 0) {
  return create(PodSandboxSchema, {
    id,
    metadata: { name: `${id}-name`, uid: `${id}-uid`, namespace: "default" },
    state,
    createdAt: 1_700_000_000_123_000_000n,
    labels: { app: "web" },
    annotations: { note: "é" },
    runtimeHandler: "kata",
  });
}

function names(id: string) {
  return { id, uid: `${id}-uid`, name: `${id}-name`, namespace: "default", runtimeHandler: "kata" };
}

function pod(id: string) {
  return { ...names(id), labels: new Map([["app", "web"]]), annotations: new Map([["note", "é"]]) };
}

function encode(items: ReturnType<typeof sandbox>[]): Uint8Array {
  return toBinary(ListPodSandboxResponseSchema, create(ListPodSandboxResponseSchema, { items }));
}

const list = encode([sandbox("a"), sandbox("b", NOT_READY), sandbox("c")]);

test("a list has names, handler, state and age of every pod, and everything of the wanted ones", () => {
  const { all, wanted } = decodeList(list, (id) => id === "b");
  assert.deepEqual([...all.keys()], ["a", "b", "c"]);
  assert.deepEqual(all.get("a"), { ...names("a"), isReady: true, createdAtMs: 1_700_000_000_123 });
  assert.equal(all.get("b")?.isReady, false);
  assert.deepEqual(wanted, [pod("b")]);
  assert.equal(decodeList(new Uint8Array(0), () => true).all.size, 0);
});

test("labels and annotations of pods that are not wanted are not decoded", () => {
  const broken = new BinaryWriter()
    .tag(6, WireType.LengthDelimited)
    .bytes(Uint8Array.of(0xff, 0xff))
    .finish();
  const item = Buffer.concat([toBinary(PodSandboxSchema, sandbox("a")), broken]);
  const answer = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(item).finish();
  assert.equal(decodeList(answer, () => false).all.get("a")?.name, "a-name");
  assert.throws(() => decodeList(answer, () => true));
});

test("fields that we do not know are skipped in a list", () => {
  const unknown = Uint8Array.of(0x7a, 2, 1, 1, 0x78, 5);
  assert.equal(decodeList(Buffer.concat([unknown, list, unknown]), () => true).wanted.length, 3);
});

test("a pod without metadata has empty names and no age", () => {
  const { all, wanted } = decodeList(encode([create(PodSandboxSchema, { id: "a" })]), () => true);
  const empty = { id: "a", uid: "", name: "", namespace: "", runtimeHandler: "" };
  assert.deepEqual(all.get("a"), { ...empty, isReady: true, createdAtMs: 0 });
  assert.deepEqual(wanted, [{ ...empty, labels: new Map(), annotations: new Map() }]);
});

test("one pod's old sandbox and its new one are two, the old one not ready", () => {
  const again = { ...sandbox("old"), id: "new" };
  const { all } = decodeList(encode([sandbox("old", NOT_READY), again]), () => false);
  assert.deepEqual(
    Array.from(all.values(), ({ id, name, isReady }) => [id, name, isReady]),
    [
      ["old", "old-name", false],
      ["new", "old-name", true],
    ],
  );
});

test("bytes that are no list throw, wherever they are cut", () => {
  const whole = decodeList(list, () => true).all.size;
  for (let length = 1; length < list.length; length++) {
    try {
      assert.ok(decodeList(list.subarray(0, length), () => true).all.size < whole, `cut at ${length}`);
    } catch (error) {
      assert.ok(error instanceof Error && !(error instanceof assert.AssertionError), String(error));
    }
  }
  assert.throws(() => decodeList(Buffer.from("this is not a list of pods"), () => true));
});

test("an event tells about its container's pod, or nothing of it", () => {
  const { createdAt, id, metadata, labels, annotations, runtimeHandler } = sandbox("a");
  const podSandboxStatus = create(PodSandboxStatusSchema, {
    id,
    ...(metadata && { metadata }),
    createdAt,
    labels,
    annotations,
    runtimeHandler,
  });
  const encodeEvent = (event: Parameters<typeof create<typeof ContainerEventResponseSchema>>[1]) =>
    toBinary(ContainerEventResponseSchema, create(ContainerEventResponseSchema, event));
  const event = encodeEvent({ containerId: "x", podSandboxStatus });
  assert.deepEqual(decodeEvent(event), { containerId: "x", pod: pod("a") });
  assert.deepEqual(decodeEvent(encodeEvent({ containerId: "x" })), { containerId: "x", pod: undefined });
});
