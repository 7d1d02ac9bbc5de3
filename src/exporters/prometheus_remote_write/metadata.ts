// SPDX-License-Identifier: Apache-2.0
import type { EncodedRequest } from "../../delivery/queue.ts";
import type { FamilyBlock } from "./family_series.ts";
import { Outline } from "./outline.ts";
import { METRIC_TYPE } from "./outline_v2.ts";
import type { ReadingPlan } from "./reading_plan.ts";
import { compileTemplate } from "./template.ts";

// Tags of prometheus.WriteRequest and MetricMetadata: field numbers with wire types.
const METADATA_TAG = 0x1a;
const TYPE_TAG = 0x08;
const NAME_TAG = 0x12;
const HELP_TAG = 0x22;
const UNIT_TAG = 0x2a;

/**
 * The time after which metadata are sent again, since a receiver may have lost them. Prometheus has the same interval.
 */
const INTERVAL_MS = 60_000;

/** Makes requests of remote write 1.0 with the kind and help of families. In 2.0, each series has them. */
export class Metadata {
  /** By family name, the time at which its metadata were last sent. */
  readonly #sentMs = new Map<string, number>();
  /** By plan, the earliest time at which the metadata of one of its families must be sent again. */
  readonly #dueMs = new WeakMap<ReadingPlan, number>();

  /** Returns requests with the metadata of those families of the plan that must be sent now. */
  requestsOf(plan: ReadingPlan, nowMs: number): EncodedRequest[] {
    if (nowMs < (this.#dueMs.get(plan) ?? Number.NEGATIVE_INFINITY)) return [];
    for (const [name, sentMs] of this.#sentMs) if (nowMs - sentMs >= INTERVAL_MS) this.#sentMs.delete(name);
    const due = plan.blocks.filter(({ name }) => !this.#sentMs.has(name));
    for (const { name } of due) this.#sentMs.set(name, nowMs);
    const sentMs = plan.blocks.map(({ name }) => this.#sentMs.get(name) ?? nowMs);
    this.#dueMs.set(plan, sentMs.reduce((one, other) => Math.min(one, other), nowMs) + INTERVAL_MS);
    if (due.length === 0) return [];
    const { record } = compileTemplate({ outline: outlineOf(due), version: 1, samples: 0, points: 0 });
    return [{ bytes: record, points: 0 }];
  }
}

function outlineOf(blocks: readonly FamilyBlock[]): Outline {
  const request = new Outline();
  const metadata = new Outline();
  for (const { family, name } of blocks) {
    metadata.cut(0);
    metadata.byte(TYPE_TAG);
    metadata.varint(METRIC_TYPE[family.kind]);
    metadata.text(NAME_TAG, name);
    if (family.help !== "") metadata.text(HELP_TAG, family.help);
    if (family.unit !== "") metadata.text(UNIT_TAG, family.unit);
    request.message(METADATA_TAG, metadata.symbols);
  }
  return request;
}
