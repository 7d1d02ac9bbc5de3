// SPDX-License-Identifier: Apache-2.0

import { memoized } from "../../metrics/memoized.ts";
import type { Reading, Schema } from "../../metrics/model.ts";
import { schemaPart } from "../../metrics/part.ts";
import { shimName } from "./families.ts";
import { isOwnFamily } from "./own_families.ts";

const LF = 10;

/** Whether the guest agent's part of the page is missing: it always counts its scrapes. */
export const isPartial: (schema: Schema) => boolean = memoized(
  ({ families }) => !families.some(({ name }) => name === "kata_agent_scrape_count"),
);

/** The reading as the shim's page has it: without the agent's own families, which are its first, and under the shim's names. */
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

/** Of a page that may be cut, the length up to its last line feed: a part of a number must never be taken for it. */
export function wholeLines(page: Buffer, length: number): number {
  return page.subarray(0, length).lastIndexOf(LF) + 1;
}
