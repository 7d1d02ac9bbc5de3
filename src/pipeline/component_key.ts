// SPDX-License-Identifier: Apache-2.0
import type { ComponentKind } from "../component/status.ts";

/** The name of a component in statuses and in the graph: `kind:id`. */
export function componentKey(kind: ComponentKind, id: string): string {
  return `${kind}:${id}`;
}
