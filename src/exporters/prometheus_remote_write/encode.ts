// Hot path: npm run bench -- push. Indices are in range by construction, which `as number` tells the compiler.

import type { Outgoing } from "../../delivery/queue.ts";
import { delimitedBytes, varintBytes } from "../../wire/writer.ts";
import { copyWords, OVERSHOOT_BYTES } from "./copy.ts";
import type { Identity } from "./identity.ts";
import type { SeriesPlan } from "./series_plan.ts";

/** Some series of a family. */
export interface Block {
  readonly plan: SeriesPlan;
  /** Which of the plan's series. */
  readonly lines: Int32Array;
  /** The family's first column in the reading. */
  readonly offset: number;
}

/** Samples of one resource at one time. */
export interface Batch {
  readonly identity: Identity;
  readonly blocks: readonly Block[];
  /** The reading's numbers; undefined to say that the series have ended. */
  readonly values: Float64Array | undefined;
  readonly timeMs: number;
}

// Tags of prometheus.WriteRequest, TimeSeries and Sample: field numbers with wire types.
const SERIES_FIELD = 1;
const SERIES_TAG = 0x0a;
const SAMPLES_TAG = 0x12;
const VALUE_TAG = 0x09;
const TIMESTAMP_TAG = 0x10;

/** The NaN by which Prometheus knows that a series has ended, and the one that is a number which is none. */
const STALE = { high: 0x7ff00000, low: 0x00000002 };
const NAN = { high: 0x7ff80000, low: 0x00000001 };

/** Requests of at most `bytesMax`, each with one sample of each of its series; only a single series can pass the limit. */
export function encodeBatches(batches: readonly Batch[], bytesMax: number): Outgoing[] {
  const frames = batches.map(toFrame);
  let bytes = 0;
  for (const frame of frames) bytes += bytesOf(frame);
  const output = new Output(bytes, bytesMax);
  for (const frame of frames) for (const block of frame.blocks) writeBlock(output, frame, block);
  return output.finish();
}

/** A batch, and what is the same in all of its series. */
interface Frame extends Batch {
  /** The timestamp as a varint. */
  readonly timestamp: DataView;
  readonly timestampBytes: number;
  /** Of the sample with its tag and length. */
  readonly sampleBytes: number;
  /** Of the resource's labels. */
  readonly identityBytes: number;
}

function toFrame(batch: Batch): Frame {
  const digits: number[] = [];
  let rest = Math.max(0, Math.trunc(batch.timeMs));
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) digits.push((rest % 0x80) | 0x80);
  digits.push(rest);
  const timestamp = new Uint8Array(digits.length + OVERSHOOT_BYTES);
  timestamp.set(digits);
  return {
    ...batch,
    timestamp: new DataView(timestamp.buffer),
    timestampBytes: digits.length,
    sampleBytes: 2 + 1 + 8 + 1 + digits.length,
    identityBytes: batch.identity.starts.at(-1) ?? 0,
  };
}

/** All bytes of its series, exactly. */
function bytesOf({ blocks, sampleBytes, identityBytes }: Frame): number {
  let bytes = 0;
  for (const { plan, lines } of blocks) {
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i] as number;
      const own = (plan.starts[line + 1] as number) - (plan.starts[line] as number);
      bytes += delimitedBytes(SERIES_FIELD, own + identityBytes + sampleBytes);
    }
  }
  return bytes;
}

/** Requests in the making. */
class Output {
  readonly #requests: Outgoing[] = [];
  readonly #bytesMax: number;
  /** Of what has not been written yet. */
  #bytesLeft: number;
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.bytes.buffer);
  pos = 0;
  samples = 0;

  constructor(bytes: number, bytesMax: number) {
    this.#bytesLeft = bytes;
    this.#bytesMax = bytesMax;
  }

  /** Makes room for a series of so many bytes: in the request at work, or in a new one. */
  reserve(bytes: number): void {
    if (this.pos + bytes <= this.bytes.length - OVERSHOOT_BYTES) return;
    this.#close();
    const room = Math.max(bytes, Math.min(this.#bytesLeft, this.#bytesMax));
    this.bytes = allocate(room + OVERSHOOT_BYTES);
    this.view = new DataView(this.bytes.buffer);
  }

  finish(): Outgoing[] {
    this.#close();
    return this.#requests;
  }

  #close(): void {
    const bytes = this.bytes.subarray(0, this.pos);
    if (this.samples > 0) this.#requests.push({ bytes, points: this.samples });
    this.#bytesLeft -= bytes.length;
    this.pos = 0;
    this.samples = 0;
  }
}

function writeBlock(output: Output, frame: Frame, { plan, lines, offset }: Block): void {
  const { identity, values, sampleBytes, identityBytes, timestamp, timestampBytes } = frame;
  const { encoded, starts: identityStarts } = identity;
  const { labels, starts, steps, stepStarts, columns } = plan;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as number;
    let at = starts[line] as number;
    const size = (starts[line + 1] as number) - at + identityBytes + sampleBytes;
    output.reserve(1 + varintBytes(size) + size);
    const { bytes, view } = output;
    let pos = output.pos;
    bytes[pos++] = SERIES_TAG;
    pos = writeVarint(bytes, pos, size);
    let label = 0;
    const lastStep = stepStarts[line + 1] as number;
    for (let step = stepStarts[line] as number; step < lastStep; step += 2) {
      const end = steps[step] as number;
      pos = copyWords(view, pos, labels, at, end);
      at = end;
      const nextLabel = steps[step + 1] as number;
      pos = copyWords(
        view,
        pos,
        encoded,
        identityStarts[label] as number,
        identityStarts[nextLabel] as number,
      );
      label = nextLabel;
    }
    bytes[pos] = SAMPLES_TAG;
    bytes[pos + 1] = sampleBytes - 2;
    bytes[pos + 2] = VALUE_TAG;
    writeValue(view, pos + 3, values, offset + (columns[line] as number));
    bytes[pos + 11] = TIMESTAMP_TAG;
    output.pos = copyWords(view, pos + 12, timestamp, 0, timestampBytes);
    output.samples++;
  }
}

/** No number of a source can pass for the mark of an ended series: every NaN is written as the same one. */
function writeValue(view: DataView, pos: number, values: Float64Array | undefined, column: number): void {
  const value = values === undefined ? 0 : (values[column] as number);
  if (values === undefined) writeBits(view, pos, STALE);
  else if (Number.isNaN(value)) writeBits(view, pos, NAN);
  else view.setFloat64(pos, value, true);
}

function writeBits(
  view: DataView,
  pos: number,
  { high, low }: { readonly high: number; readonly low: number },
): void {
  view.setUint32(pos, low, true);
  view.setUint32(pos + 4, high, true);
}

function writeVarint(bytes: Uint8Array, pos: number, value: number): number {
  for (; value >= 0x80; value >>>= 7) bytes[pos++] = (value & 0x7f) | 0x80;
  bytes[pos++] = value;
  return pos;
}

/** Not zeroed: every byte up to the length is written. */
function allocate(bytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
}
