/** Resolves when the signal aborts, or after `limitMs` where one is given. */
export function stoppedOrAfter(stop: AbortSignal, limitMs?: number): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) resolve();
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
