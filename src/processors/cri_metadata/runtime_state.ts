// SPDX-License-Identifier: Apache-2.0
import type { CriError } from "../../cri/client.ts";
import type { ListedPod } from "../../cri/pod.ts";
import type { RuntimeIdentity } from "../../cri/runtime.ts";

/** All that is known of the runtime at one endpoint. */
export interface RuntimeState {
  readonly endpoint: string;
  readonly state: "unasked" | "answers" | "fails";
  /** The last failure; undefined unless `state` is "fails". */
  readonly error: CriError | undefined;
  /** The runtime that gave the last answer. */
  readonly identity: RuntimeIdentity | undefined;
  /** The pods of the last answer, by id. */
  readonly list: ReadonlyMap<string, ListedPod>;
  /** The node's sandboxes at the time when the call under way began. */
  readonly asking: ReadonlySet<string>;
  /** The node's sandboxes at the time when the call of the last answer began. */
  readonly asked: ReadonlySet<string>;
  /** The node's current sandboxes that the runtime has listed at some time. */
  readonly named: ReadonlySet<string>;
  /** Whether the runtime's last answer had Kata pods without a sandbox on the node. */
  readonly lacksSandboxes: boolean;
  /** Whether the runtime has ever listed a sandbox of the node, or a Kata pod without a sandbox. */
  readonly hasServed: boolean;
}

/** The state before the first call. */
export function unasked(endpoint: string): RuntimeState {
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

/** Whether the runtime is one of this node's: it has listed a sandbox of the node, or Kata pods that have no sandbox on it. */
export function serves({ named, lacksSandboxes }: RuntimeState): boolean {
  return named.size > 0 || lacksSandboxes;
}

/** Returns the state with `named` and `hasServed` up to date, for a node that now has these sandboxes. */
export function withServed(runtime: RuntimeState, sandboxes: ReadonlySet<string>): RuntimeState {
  const { named, list, state } = runtime;
  const isNamed = (id: string): boolean => named.has(id) || (state === "answers" && list.has(id));
  const served = { ...runtime, named: new Set([...sandboxes].filter(isNamed)) };
  return { ...served, hasServed: served.hasServed || serves(served) };
}

/**
 * Chooses the endpoint of the node's runtime after an answer or a failure; undefined before the first answer.
 *
 * - The first endpoint that answers is chosen.
 * - A runtime that serves the node (see `serves`) replaces a chosen one that never has.
 * - A chosen runtime that has served the node is kept while it is down, unless it has none of the node's sandboxes any
 *   more and another runtime serves the node.
 */
export function chooseRuntime(
  runtimes: readonly RuntimeState[],
  current: string | undefined,
): string | undefined {
  const before = runtimes.find(({ endpoint }) => endpoint === current);
  const answering = runtimes.filter(({ state }) => state === "answers");
  const serving = answering.find(serves);
  if (before === undefined) return (serving ?? answering[0])?.endpoint;
  const answers = before.state === "answers";
  if (before.hasServed && (answers || serves(before))) return current;
  if (serving !== undefined) return serving.endpoint;
  return answers || before.hasServed ? current : (answering[0]?.endpoint ?? current);
}
