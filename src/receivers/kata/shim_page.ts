import type { Schema } from "../../metrics/model.ts";

const LF = 10;

const partialSchemas = new WeakMap<Schema, boolean>();

/** Whether the guest agent's part of the page is missing: it always counts its scrapes. */
export function isPartial(schema: Schema): boolean {
  let partial = partialSchemas.get(schema);
  if (partial === undefined) {
    partial = !schema.families.some(({ name }) => name === "kata_agent_scrape_count");
    partialSchemas.set(schema, partial);
  }
  return partial;
}

/** Of a page that may be cut, the length up to its last line feed: a part of a number must never be taken for it. */
export function wholeLines(page: Buffer, length: number): number {
  return page.subarray(0, length).lastIndexOf(LF) + 1;
}
