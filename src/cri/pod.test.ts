import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  ContainerEventResponseSchema,
  ListPodSandboxResponseSchema,
  PodSandboxSchema,
  PodSandboxStatusSchema,
} from "./generated/runtime_pb.ts";
import { decodeEvent, decodePods } from "./pod.ts";

function sandbox(id: string) {
  return create(PodSandboxSchema, {
    id,
    metadata: { name: `${id}-name`, uid: `${id}-uid`, namespace: "default" },
    createdAt: 1n,
    labels: { app: "web" },
    annotations: { note: "é" },
    runtimeHandler: "kata",
  });
}

function pod(id: string) {
  return {
    id,
    uid: `${id}-uid`,
    name: `${id}-name`,
    namespace: "default",
    runtimeHandler: "kata",
    labels: new Map([["app", "web"]]),
    annotations: new Map([["note", "é"]]),
  };
}

const list = toBinary(
  ListPodSandboxResponseSchema,
  create(ListPodSandboxResponseSchema, { items: [sandbox("a"), sandbox("b"), sandbox("c")] }),
);

test("of a list only the wanted pods are taken", () => {
  assert.deepEqual(
    decodePods(list, (id) => id === "b"),
    new Map([["b", pod("b")]]),
  );
  assert.equal(decodePods(list, () => true).size, 3);
  assert.equal(decodePods(new Uint8Array(0), () => true).size, 0);
});

test("a list with fields that we do not know is read past them", () => {
  const unknown = Uint8Array.of(0x7a, 2, 1, 1, 0x78, 5);
  assert.equal(decodePods(Buffer.concat([unknown, list, unknown]), () => true).size, 3);
});

test("a pod without metadata has empty names", () => {
  const items = [create(PodSandboxSchema, { id: "a" })];
  const bytes = toBinary(ListPodSandboxResponseSchema, create(ListPodSandboxResponseSchema, { items }));
  const [bare] = decodePods(bytes, () => true).values();
  assert.deepEqual([bare?.uid, bare?.name, bare?.namespace, bare?.runtimeHandler], ["", "", "", ""]);
});

test("bytes that are no list throw, wherever they are cut", () => {
  const whole = decodePods(list, () => true).size;
  for (let length = 1; length < list.length; length++) {
    try {
      assert.ok(decodePods(list.subarray(0, length), () => true).size < whole, `cut at ${length}`);
    } catch (error) {
      assert.ok(error instanceof Error && !(error instanceof assert.AssertionError), String(error));
    }
  }
  assert.throws(() => decodePods(Buffer.from("this is not a list of pods"), () => true));
});

test("an event tells about its pod, or nothing", () => {
  const { createdAt, id, metadata, labels, annotations, runtimeHandler } = sandbox("a");
  const podSandboxStatus = create(PodSandboxStatusSchema, {
    id,
    ...(metadata && { metadata }),
    createdAt,
    labels,
    annotations,
    runtimeHandler,
  });
  const encode = (event: Parameters<typeof create<typeof ContainerEventResponseSchema>>[1]) =>
    toBinary(ContainerEventResponseSchema, create(ContainerEventResponseSchema, event));
  assert.deepEqual(decodeEvent(encode({ containerId: "x", podSandboxStatus })), pod("a"));
  assert.equal(decodeEvent(encode({ containerId: "x" })), undefined);
});
