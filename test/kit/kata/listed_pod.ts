// SPDX-License-Identifier: Apache-2.0
import type { ListedPod } from "../../../src/cri/pod.ts";

/** A ready Kata pod "shop/<id>-pod" of unknown age as a runtime lists it, with changes. */
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

/** A runtime's list of such pods. */
export function listOf(...pods: readonly (ListedPod | string)[]): ReadonlyMap<string, ListedPod> {
  return new Map(
    pods.map((pod) => {
      const listed = typeof pod === "string" ? listedPod(pod) : pod;
      return [listed.id, listed];
    }),
  );
}
