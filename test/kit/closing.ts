// SPDX-License-Identifier: Apache-2.0
/** Closes what was started with it when it ends itself: a `TestContext`, for one. */
export interface Closing {
  after(close: () => void): void;
}

/** Something that was started and must be closed. */
export interface Closer extends Closing {
  /** Closes in the opposite order. */
  close(): void;
}

/** For what is started outside of a test: the caller closes it. */
export function closer(): Closer {
  const closes: (() => void)[] = [];
  return {
    after: (close) => void closes.push(close),
    close() {
      for (const close of closes.splice(0).reverse()) close();
    },
  };
}
