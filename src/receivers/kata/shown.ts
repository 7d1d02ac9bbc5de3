import type { Settings } from "../../component/component.ts";
import type { Consumer, NoRoom } from "../../component/consumer.ts";
import { pointCount, type Schema } from "../../metrics/model.ts";
import type { ReceiverMetrics } from "./receiver_metrics.ts";
import { outranks, type Sandbox } from "./sandbox.ts";

/** The sandboxes that have a reading in the pipeline, and thus need an end. */
export class Shown {
  readonly #settings: Settings;
  readonly #metrics: ReceiverMetrics;
  readonly #next: Consumer;
  /** By id. */
  readonly #sandboxes = new Map<string, Sandbox>();

  constructor(settings: Settings, metrics: ReceiverMetrics, next: Consumer) {
    this.#settings = settings;
    this.#metrics = metrics;
    this.#next = next;
  }

  has(sandbox: Sandbox): boolean {
    return this.#sandboxes.get(sandbox.found.id) === sandbox;
  }

  /** Why the pipeline has no room for a reading of the sandbox; undefined where it has. */
  noRoom(sandbox: Sandbox): NoRoom | undefined {
    return this.#next.noRoom(sandbox.resource.key);
  }

  /** Hands a reading of the sandbox on, unless another sandbox of its id is shown in its place. */
  hand(sandbox: Sandbox, schema: Schema, values: Float64Array): void {
    if (!this.#mayShow(sandbox)) return;
    const { resource, found } = sandbox;
    const timeMs = this.#settings.clock.nowMs();
    const { bornMs } = found.identity;
    // After a clock was set back nobody knows when it began, by that clock.
    const reading = { resource, schema, values, timeMs, startMs: bornMs <= timeMs ? bornMs : 0 };
    this.#metrics.accepted(pointCount(schema));
    this.#next.consume(reading);
  }

  /** Ends the sandbox's series, if it is shown. */
  hide(sandbox: Sandbox): void {
    if (!this.has(sandbox)) return;
    this.#sandboxes.delete(sandbox.found.id);
    this.#next.end({ resource: sandbox.resource, timeMs: this.#settings.clock.nowMs() });
  }

  /** Two sandboxes of one id would be one series: only one of them is shown, and ended before the other is. */
  #mayShow(sandbox: Sandbox): boolean {
    const { id, directory } = sandbox.found;
    const other = this.#sandboxes.get(id);
    if (other === sandbox) return true;
    if (other !== undefined && !outranks(sandbox, other)) {
      this.#logShadowed(sandbox, other);
      return false;
    }
    if (other !== undefined) {
      this.hide(other);
      this.#logShadowed(other, sandbox);
    }
    this.#sandboxes.set(id, sandbox);
    this.#settings.logger.debug({ sandbox: id, directory }, "Sandbox is shown.");
    return true;
  }

  #logShadowed(hidden: Sandbox, shown: Sandbox): void {
    if (hidden.shadowed) return;
    hidden.shadowed = true;
    const fields = { sandbox: hidden.found.id, hidden: hidden.found.directory, shown: shown.found.directory };
    this.#settings.logger.warn(fields, "Two roots have a sandbox of this id; one is shown.");
  }
}
