import type { Consumer, Verdict } from "../component/component.ts";
import type { Ended, Reading } from "../metrics/model.ts";

/** What a node of the largest size scrapes while an exporter drains for as long as a shutdown takes by default. */
const HELD_MAX = 2_048;

/**
 * Where a component is put in and taken out while the ones around it run. While nobody is there, what comes waits for the
 * next one, so that an exchange costs nothing; past a limit readings are refused.
 */
export class Relay implements Consumer {
  #target: Consumer | undefined;
  readonly #held: ((target: Consumer) => void)[] = [];

  connect(target: Consumer): void {
    this.#target = target;
    for (const hand of this.#held.splice(0)) hand(target);
  }

  disconnect(): void {
    this.#target = undefined;
  }

  isBlocked(reading: Reading): boolean {
    return this.#target?.isBlocked?.(reading) ?? false;
  }

  miss(reading: Reading): void {
    this.#target?.miss?.(reading);
  }

  consume(reading: Reading): Verdict {
    if (this.#target !== undefined) return this.#target.consume(reading);
    if (this.#held.length >= HELD_MAX) return "refused";
    this.#held.push((target) => target.consume(reading));
    return "accepted";
  }

  end(ended: Ended): void {
    if (this.#target !== undefined) this.#target.end(ended);
    else this.#held.push((target) => target.end(ended));
  }
}
