// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import type { Consumer, NoRoom } from "../../component/consumer.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import { pointCount, type Reading, type Schema } from "../../metrics/model.ts";
import type { ReceiverMetrics } from "./receiver_metrics.ts";
import { type Instant, instantOf } from "./sandbox/instant.ts";
import { outranks, type Sandbox } from "./sandbox/sandbox.ts";
import { sandboxNameOf } from "./sandbox/sandbox_name.ts";

/** What the pipeline was told last of a sandbox. */
interface LastTold {
  readonly sandbox: Sandbox;
  /** Since when it was in the state that was told. */
  readonly since: Instant;
  /** By the monotonic clock. */
  readonly atMs: number;
  readonly reading: Reading;
}

/** The sandboxes that have a reading in the pipeline, and thus need an end. */
export class Shown {
  readonly #settings: Settings;
  readonly #metrics: ReceiverMetrics;
  readonly #next: Consumer;
  /** By id. */
  readonly #told = new Map<string, LastTold>();
  /** Sandboxes in whose place another one is or was shown; the log has said so. */
  readonly #shadowed = new WeakSet<Sandbox>();

  constructor(settings: Settings, metrics: ReceiverMetrics, next: Consumer) {
    this.#settings = settings;
    this.#metrics = metrics;
    this.#next = next;
  }

  has(sandbox: Sandbox): boolean {
    return this.#told.get(sandbox.found.id)?.sandbox === sandbox;
  }

  /** What the pipeline was told last of the sandbox, and how long ago; undefined where it does not show it. */
  latest(sandbox: Sandbox): { readonly reading: Reading; readonly ageMs: number } | undefined {
    const told = this.#told.get(sandbox.found.id);
    if (told?.sandbox !== sandbox) return undefined;
    return { reading: told.reading, ageMs: this.#settings.clock.monotonicMs() - told.atMs };
  }

  /** Whether the pipeline was told where the sandbox stands, within the last `ms`. */
  isCurrent(sandbox: Sandbox, ms: number): boolean {
    const told = this.#told.get(sandbox.found.id);
    if (told?.sandbox !== sandbox || told.since !== sandbox.condition.since) return false;
    return this.#settings.clock.monotonicMs() - told.atMs < ms;
  }

  /** Why the pipeline has no room for a reading of the sandbox; undefined where it has. */
  noRoom(sandbox: Sandbox): NoRoom | undefined {
    return this.#next.noRoom(sandbox.resource.key);
  }

  /** Hands a reading of the sandbox on, unless another sandbox of its id is shown in its place. */
  hand(sandbox: Sandbox, schema: Schema, values: Float64Array): void {
    if (!this.#mayShow(sandbox)) return;
    const { resource, found, condition } = sandbox;
    const { unixMs: timeMs, monotonicMs: atMs } = instantOf(this.#settings.clock);
    const { bornMs } = found.identity;
    // After a clock was set back nobody knows when it began, by that clock.
    const reading = { resource, schema, values, timeMs, startMs: bornMs <= timeMs ? bornMs : 0 };
    this.#told.set(found.id, { sandbox, since: condition.since, atMs, reading });
    this.#metrics.accepted(pointCount(schema));
    this.#next.consume(reading);
  }

  /** Ends the sandbox's series, if it is shown. */
  hide(sandbox: Sandbox): void {
    if (!this.has(sandbox)) return;
    this.#told.delete(sandbox.found.id);
    this.#next.end({ resource: sandbox.resource, timeMs: this.#settings.clock.nowMs() });
  }

  /** Two sandboxes of one id would be one series: only one of them is shown, and ended before the other is. */
  #mayShow(sandbox: Sandbox): boolean {
    const { id, directory } = sandbox.found;
    const other = this.#told.get(id)?.sandbox;
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
