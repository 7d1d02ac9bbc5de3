// SPDX-License-Identifier: Apache-2.0
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

export interface Comparison {
  readonly password: string;
  readonly hash: string;
}

const ROLE = "kata-collector bcrypt";

/**
 * A thread that answers each comparison with whether it is true, in their order. A hash takes between 50 ms and a second,
 * which the event loop does not have.
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
