// SPDX-License-Identifier: Apache-2.0
/** Resolves when the signal aborts, or after `limitMs` where one is given. */
export function stoppedOrAfter(stop: AbortSignal, limitMs?: number): Promise<void> {
  return new Promise((resolve) => {
    // A timer would hold the process for the rest of its time.
    if (stop.aborted) return resolve();
    const timer = limitMs === undefined ? undefined : setTimeout(resolve, limitMs);
    stop.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

/** Settles as the work does, or rejects when it has not ended `graceMs` after the signal aborted: something in it hangs. */
export async function unlessStopped(
  work: Promise<void>,
  { stop, graceMs }: { readonly stop: AbortSignal; readonly graceMs: number },
): Promise<void> {
  const ended = new AbortController();
  const overdue = async (): Promise<never> => {
    await stoppedOrAfter(stop);
    await stoppedOrAfter(ended.signal, graceMs);
    throw new Error("it was told to stop, and something in its start hangs");
  };
  await Promise.race([work, overdue()]).finally(() => ended.abort());
}
