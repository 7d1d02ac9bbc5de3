// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../clock/clock.ts";

/** Runs the job once per interval until the returned function is called, which the job itself may do. */
export function every(clock: Clock, intervalMs: number, job: () => void): () => void {
  let cancel: () => void;
  const next = (): void => {
    cancel = clock.after(intervalMs, () => {
      next();
      job();
    });
  };
  next();
  return () => cancel();
}
