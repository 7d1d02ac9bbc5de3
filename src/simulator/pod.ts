// SPDX-License-Identifier: Apache-2.0
import type { SimulatedPod } from "./cri_server.ts";

const APPS = ["checkout", "frontend", "ledger", "search", "payments", "inventory", "mailer", "gateway"];
const NAMESPACES = ["shop", "shop", "backend", "monitoring"];
/** The letters of random names in Kubernetes. There are no vowels, so that no words come out. */
const NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

/** Makes a pod like one of a Deployment. Its sandbox has an id of 64 hex digits, as container runtimes make them. */
export function randomPod(random: () => number, runtimeHandler: string): SimulatedPod {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T; // The index is in range.
  const letters = (count: number): string =>
    Array.from({ length: count }, () => pick([...NAME_LETTERS])).join("");
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join("");
  const app = pick(APPS);
  const hash = letters(9);
  return {
    id: hex(64),
    uid: `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`,
    name: `${app}-${hash}-${letters(5)}`,
    namespace: pick(NAMESPACES),
    labels: { app, "pod-template-hash": hash, "app.kubernetes.io/name": app },
    annotations: { "kubernetes.io/config.source": "api" },
    runtimeHandler,
    createdAtMs: Date.now(),
  };
}
