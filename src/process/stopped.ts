// SPDX-License-Identifier: Apache-2.0
/** Resolves when the signal aborts. With `limitMs`, also resolves after so many milliseconds. */
export function stoppedOrAfter(stop: AbortSignal, limitMs?: number): Promise<void> {
  return new Promise((resolve) => {
    // No timer is made in this case, because it would keep the process alive until it fires.
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

/** Resolves or rejects as the work does. Rejects `graceMs` milliseconds after the signal has aborted if the work hangs. */
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
