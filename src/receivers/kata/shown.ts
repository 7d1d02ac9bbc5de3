// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import type { Consumer, NoRoom } from "../../component/consumer.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import { pointCount, type Reading, type Schema } from "../../metrics/model.ts";
import type { ReceiverMetrics } from "./receiver_metrics.ts";
import { type Instant, instantOf } from "./sandbox/instant.ts";
import { outranks, type Sandbox } from "./sandbox/sandbox.ts";
import { sandboxNameOf } from "./sandbox/sandbox_name.ts";

/** The last reading that the pipeline has got of one sandbox. */
interface LastReading {
  readonly sandbox: Sandbox;
  /** When the sandbox came into the state that the reading shows. */
  readonly since: Instant;
  /** When the reading was handed on, by the monotonic clock. */
  readonly atMs: number;
  readonly reading: Reading;
}

/**
 * Hands readings to the pipeline, and records which sandboxes the pipeline shows, since only the series of a sandbox
 * that is shown must be ended.
 */
export class Shown {
  readonly #settings: Settings;
  readonly #metrics: ReceiverMetrics;
  readonly #next: Consumer;
  /** The last readings by the sandbox's id. */
  readonly #last = new Map<string, LastReading>();
  /** Sandboxes that are not shown because another sandbox of the same id is. The log names each of them once. */
  readonly #shadowed = new WeakSet<Sandbox>();

  constructor(settings: Settings, metrics: ReceiverMetrics, next: Consumer) {
    this.#settings = settings;
    this.#metrics = metrics;
    this.#next = next;
  }

  /** Returns whether the pipeline shows the sandbox. */
  has(sandbox: Sandbox): boolean {
    return this.#last.get(sandbox.found.id)?.sandbox === sandbox;
  }

  /** Returns the last reading of the sandbox and its age; undefined if the pipeline does not show the sandbox. */
  latest(sandbox: Sandbox): { readonly reading: Reading; readonly ageMs: number } | undefined {
    const last = this.#last.get(sandbox.found.id);
    if (last?.sandbox !== sandbox) return undefined;
    return { reading: last.reading, ageMs: this.#settings.clock.monotonicMs() - last.atMs };
  }

  /** Returns whether the pipeline has got the sandbox's present state within the last `withinMs`. */
  isCurrent(sandbox: Sandbox, withinMs: number): boolean {
    const last = this.#last.get(sandbox.found.id);
    if (last?.sandbox !== sandbox || last.since !== sandbox.condition.since) return false;
    return this.#settings.clock.monotonicMs() - last.atMs < withinMs;
  }

  /** Returns why the pipeline has no room for a reading of the sandbox; undefined if it has room. */
  noRoom(sandbox: Sandbox): NoRoom | undefined {
    return this.#next.noRoom(sandbox.resource.key);
  }

  /** Hands a reading of the sandbox on, unless another sandbox of its id is shown instead. */
  handOn(sandbox: Sandbox, schema: Schema, values: Float64Array): void {
    if (!this.#mayShow(sandbox)) return;
    const { resource, found, condition } = sandbox;
    const { unixMs: timeMs, monotonicMs: atMs } = instantOf(this.#settings.clock);
    const { bornMs } = found.identity;
    // If the directory was made later than now, the clock was set back. The start is then unknown, for which 0 stands.
    const reading = { resource, schema, values, timeMs, startMs: bornMs <= timeMs ? bornMs : 0 };
    this.#last.set(found.id, { sandbox, since: condition.since, atMs, reading });
    this.#metrics.accepted(pointCount(schema));
    this.#next.consume(reading);
  }

  /** Ends the sandbox's series if it is shown. */
  hide(sandbox: Sandbox): void {
    if (!this.has(sandbox)) return;
    this.#last.delete(sandbox.found.id);
    this.#next.end({ resource: sandbox.resource, timeMs: this.#settings.clock.nowMs() });
  }

  /** Two sandboxes of one id would be one series. So only one of them is shown, and is ended before the other is shown. */
  #mayShow(sandbox: Sandbox): boolean {
    const { id, directory } = sandbox.found;
    const other = this.#last.get(id)?.sandbox;
    if (other === sandbox) return true;
    if (other !== undefined && !outranks(sandbox, other)) {
      this.#logShadowed(sandbox, other);
      return false;
    }
    if (other !== undefined) {
      this.hide(other);
      this.#logShadowed(other, sandbox);
    }
    this.#settings.logger.debug({ sandbox: id, directory }, "Sandbox is shown.");
    return true;
  }

  #logShadowed(hidden: Sandbox, shown: Sandbox): void {
    if (this.#shadowed.has(hidden)) return;
    this.#shadowed.add(hidden);
    const { logger, host } = this.#settings;
    logger.warn(
      {
        ...sandboxNameOf(hidden, host.single(WITNESSES)),
        hidden: hidden.found.directory,
        shown: shown.found.directory,
      },
      "Two roots have a sandbox of this id; one is shown.",
    );
  }
}
