// SPDX-License-Identifier: Apache-2.0
import type { RuntimeWitness } from "../../../src/kata/witnesses.ts";

/** Makes a container runtime that knows these pods, by sandbox id as "namespace/name", and that lists these sandboxes. */
export function fakeWitness(says: {
  readonly pods?: Readonly<Record<string, string>>;
  readonly listed: readonly string[];
  readonly missingPods?: string;
}): RuntimeWitness {
  return {
    podOf(id) {
      const [namespace = "", name = ""] = says.pods?.[id]?.split("/") ?? [];
      return name === "" ? undefined : { uid: `uid-of-${id}`, name, namespace };
    },
    lists: (id) => says.listed.includes(id),
    missingPods: says.missingPods,
  };
}
