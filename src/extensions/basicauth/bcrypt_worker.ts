// SPDX-License-Identifier: Apache-2.0
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** A password, and the bcrypt hash to compare it with. */
export interface Comparison {
  readonly password: string;
  readonly hash: string;
}

const ROLE = "kata-collector bcrypt";

/**
 * Starts a thread that answers comparisons with true or false, in their order. A comparison takes up to a second, which
 * would block the event loop.
 */
export function startBcryptWorker(): Worker {
  return new Worker(new URL(import.meta.url), {
    workerData: ROLE,
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
  });
}

if (!isMainThread && workerData === ROLE) {
  const { compareSync } = await import("bcryptjs");
  parentPort?.on("message", ({ password, hash }: Comparison) => {
    parentPort?.postMessage(compareSync(password, hash));
  });
}
