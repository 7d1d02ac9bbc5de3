// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  decodeHeader,
  findHeader,
  HEADER_BYTES,
  isIntact,
  type RecordHeader,
} from "../../src/delivery/disk_record.ts";
import type { Ledger } from "./ledger.ts";

/** A record in a segment, whether it has been delivered or not. */
export interface DiskRecord {
  readonly path: string;
  readonly offset: number;
  readonly header: RecordHeader;
  readonly payload: Buffer;
}

/** Reads every complete record in a queue's segments, oldest first, without the queue's code. */
export function readRecords(queueDirectory: string): DiskRecord[] {
  if (!existsSync(queueDirectory)) return [];
  const segments = readdirSync(queueDirectory).filter((name) => name.endsWith(".log"));
  return segments.sort().flatMap((name) => readSegment(join(queueDirectory, name)));
}

function readSegment(path: string): DiskRecord[] {
  const bytes = readFileSync(path);
  const records: DiskRecord[] = [];
  for (let at: number | undefined = 0; at !== undefined && at < bytes.length; ) {
    const header = decodeHeader(bytes, at);
    if (header === undefined) {
      at = findHeader(bytes, at + 1);
      continue;
    }
    const payload = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + header.length);
    if (isIntact(payload, header)) records.push({ path, offset: at, header, payload });
    at += HEADER_BYTES + header.length;
  }
  return records;
}

/** Adds the records of a queue to a ledger, each of them once. */
export class DiskWitness {
  readonly #ledger: Ledger;
  readonly #seen = new Set<string>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** Reads the segments and returns the number of records that are new. */
  look(queueDirectory: string): number {
    let found = 0;
    for (const { header, payload } of readRecords(queueDirectory)) {
      // Two different records of one number would differ in their checksums.
      const key = `${header.sequence} ${header.checksum} ${header.addedMs}`;
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      this.#ledger.add(payload);
      found++;
    }
    return found;
  }
}
