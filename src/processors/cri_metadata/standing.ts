// SPDX-License-Identifier: Apache-2.0
import type { CriError } from "../../cri/client.ts";
import type { ListedPod } from "../../cri/pod.ts";
import type { RuntimeIdentity } from "../../cri/runtime.ts";

/** What is known of the runtime at one endpoint. */
export interface RuntimeStanding {
  readonly endpoint: string;
  readonly state: "unasked" | "answers" | "fails";
  /** The last failure, while it fails. */
  readonly error: CriError | undefined;
  /** Who gave the last answer. */
  readonly identity: RuntimeIdentity | undefined;
  /** The last answer's pods by id. */
  readonly list: ReadonlyMap<string, ListedPod>;
  /** The node's sandboxes when the call under way began, and when that of the last answer did. */
  readonly asking: ReadonlySet<string>;
  readonly asked: ReadonlySet<string>;
  /** Those of the node's sandboxes of today that it has listed at some time. */
  readonly named: ReadonlySet<string>;
  /** Whether its last answer had Kata pods of which the node has no sandbox. */
  readonly lacksSandboxes: boolean;
  /** Whether it has ever listed a sandbox of the node or such a pod. */
  readonly hasServed: boolean;
}

export function unasked(endpoint: string): RuntimeStanding {
  return {
    endpoint,
    state: "unasked",
    error: undefined,
    identity: undefined,
    list: new Map(),
    asking: new Set(),
    asked: new Set(),
    named: new Set(),
    lacksSandboxes: false,
    hasServed: false,
  };
}

/** Whether what it lists matters to the node now. */
export function serves({ named, lacksSandboxes }: RuntimeStanding): boolean {
  return named.size > 0 || lacksSandboxes;
}

/** The standing with what it has served on a node with these sandboxes. */
export function withServed(standing: RuntimeStanding, sandboxes: ReadonlySet<string>): RuntimeStanding {
  const { named, list, state } = standing;
  const isNamed = (id: string): boolean => named.has(id) || (state === "answers" && list.has(id));
  const served = { ...standing, named: new Set([...sandboxes].filter(isNamed)) };
  return { ...served, hasServed: served.hasServed || serves(served) };
}

/**
 * The endpoint of the node's runtime after an answer or a failure: the first that answers, until one that serves the node
 * takes the place of one that never has. One that has served keeps its place while it is down, unless none of the node's
 * pods is its any more and another one serves. Undefined before the first answer.
 */
export function chooseRuntime(
  standings: readonly RuntimeStanding[],
  current: string | undefined,
): string | undefined {
  const before = standings.find(({ endpoint }) => endpoint === current);
  const answering = standings.filter(({ state }) => state === "answers");
  const serving = answering.find(serves);
  if (before === undefined) return (serving ?? answering[0])?.endpoint;
  const answers = before.state === "answers";
  if (before.hasServed && (answers || serves(before))) return current;
  if (serving !== undefined) return serving.endpoint;
  return answers || before.hasServed ? current : (answering[0]?.endpoint ?? current);
}
