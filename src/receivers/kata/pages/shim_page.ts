// SPDX-License-Identifier: Apache-2.0

import { memoized } from "../../../metrics/memoized.ts";
import type { Reading, Schema } from "../../../metrics/model.ts";
import { schemaPart } from "../../../metrics/part.ts";
import { shimName } from "./families.ts";
import { isOwnFamily } from "./own_families.ts";

const LF = 10;

/** Returns whether the part of the guest's agent is missing. That part always has `kata_agent_scrape_count`. */
export const isPartial: (schema: Schema) => boolean = memoized(
  ({ families }) => !families.some(({ name }) => name === "kata_agent_scrape_count"),
);

/** Returns the reading as the shim's page has it: under the shim's names, and without the agent's own families in front. */
export function shimPart(reading: Reading): Reading {
  const schema = shimSchema(reading.schema);
  return { ...reading, schema, values: reading.values.subarray(reading.schema.width - schema.width) };
}

const shimSchema = memoized(({ families }: Schema) =>
  schemaPart(
    families
      .filter(({ name }) => !isOwnFamily(name))
      .map((family) => ({ ...family, name: shimName(family.name) })),
  ),
);

/**
 * Returns the length of a page up to its last line feed. If the page was cut, a part of a number must not count as a
 * whole one.
 */
export function wholeLines(page: Buffer, length: number): number {
  return page.subarray(0, length).lastIndexOf(LF) + 1;
}
