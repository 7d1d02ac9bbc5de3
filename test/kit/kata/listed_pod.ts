// SPDX-License-Identifier: Apache-2.0
import type { ListedPod } from "../../../src/cri/pod.ts";

/** Makes a pod as a container runtime lists it: a ready Kata pod "shop/<id>-pod" of unknown age, with these changes. */
export function listedPod(id: string, change: Partial<ListedPod> = {}): ListedPod {
  return {
    id,
    uid: `${id}-uid`,
    name: `${id}-pod`,
    namespace: "shop",
    runtimeHandler: "kata",
    isReady: true,
    createdAtMs: 0,
    ...change,
  };
}

/** Makes a container runtime's list of pods; an id stands for the pod that `listedPod` makes of it. */
export function listOf(...pods: readonly (ListedPod | string)[]): ReadonlyMap<string, ListedPod> {
  return new Map(
    pods.map((pod) => {
      const listed = typeof pod === "string" ? listedPod(pod) : pod;
      return [listed.id, listed];
    }),
  );
}
