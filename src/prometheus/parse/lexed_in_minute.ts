// SPDX-License-Identifier: Apache-2.0
/** Counts the blocks and samples of one source that were lexed in the current minute. */
export class LexedInMinute {
  blocks = 0;
  samples = 0;
  #minute = 0;

  /** Sets both counts to 0 if this minute is not that of the last call. */
  begin(minute: number): void {
    if (this.#minute === minute) return;
    this.#minute = minute;
    this.blocks = 0;
    this.samples = 0;
  }
}
