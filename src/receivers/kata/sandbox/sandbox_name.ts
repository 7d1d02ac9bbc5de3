// SPDX-License-Identifier: Apache-2.0
import type { Witnesses } from "../../../kata/witnesses.ts";
import type { Sandbox } from "./sandbox.ts";

/** The fields by which the log names a sandbox. */
export interface SandboxName {
  readonly sandbox: string;
  /** "namespace/name"; left out until a container runtime has named the pod. */
  readonly pod?: string;
}

export function sandboxNameOf({ found: { id } }: Sandbox, witnesses: Witnesses): SandboxName {
  const pod = witnesses.podOf(id);
  return pod === undefined ? { sandbox: id } : { sandbox: id, pod: `${pod.namespace}/${pod.name}` };
}

/** Returns the sandbox's name for the text of an error. */
export function describeSandbox(sandbox: Sandbox, witnesses: Witnesses): string {
  const { sandbox: id, pod } = sandboxNameOf(sandbox, witnesses);
  return pod === undefined ? `sandbox "${id}"` : `sandbox "${id}" of pod "${pod}"`;
}
