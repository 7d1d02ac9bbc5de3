// SPDX-License-Identifier: Apache-2.0
import { status } from "@grpc/grpc-js";
import {
  type Decide,
  type DestinationOptions,
  type Protocol,
  type Refusal,
  type Reply,
  startDestination,
} from "../kit/destinations/destination.ts";
import { type Passage, startGate } from "../kit/destinations/gate.ts";
import { Ledger } from "./ledger.ts";

/** How a destination behaves. */
export const MODES = [
  "up",
  /** Not listening. */
  "refusing",
  /** Connections are taken, and nothing is read from them. */
  "stalled",
  /** Requests are taken and kept, and nobody hears of it. */
  "hanging",
  /** RESOURCE_EXHAUSTED or 429, and when to come back. */
  "throttling",
  "unavailable",
  /** Requests are kept, and the answer is that they are not. */
  "denying",
  "half_closing",
  /** Connections are cut in the middle of a request. */
  "cutting",
  /** Connections are cut in the middle of an answer. */
  "cutting_answers",
  /** Bytes trickle in, and answers take their time. */
  "slow",
] as const;
export type Mode = (typeof MODES)[number];

const PASSAGES: Readonly<Partial<Record<Mode, Passage>>> = {
  refusing: "closed",
  stalled: "stalled",
  half_closing: "half_closing",
  cutting: "cutting",
  cutting_answers: "cutting_answers",
  slow: "slow",
};

const COME_BACK_MS = 200;
const SLOW_ANSWER_MS = 300;
const TAKEN: Reply = { kind: "taken", afterMs: 0 };

const REPLIES: Readonly<Partial<Record<Mode, Reply>>> = {
  hanging: { kind: "silence" },
  throttling: {
    kind: "refused",
    refusal: {
      http: 429,
      grpc: status.RESOURCE_EXHAUSTED,
      words: "too much at once",
      comeBackMs: COME_BACK_MS,
    },
  },
  unavailable: {
    kind: "refused",
    refusal: { http: 503, grpc: status.UNAVAILABLE, words: "under repair" },
  },
  denying: {
    kind: "refused",
    refusal: { http: 503, grpc: status.UNAVAILABLE, words: "kept, and not told" },
  },
  slow: { kind: "taken", afterMs: SLOW_ANSWER_MS },
};
const NOT_KEPT: readonly Mode[] = ["throttling", "unavailable"];

export interface RecorderOptions extends Omit<DestinationOptions, "decide"> {
  /** OTLP over gRPC if left out. */
  readonly protocol?: Protocol;
  /** False where what comes is not OTLP: then its bytes are counted, and nothing is in the ledger. */
  readonly keeps?: boolean;
}

/** Which requests are refused, and how. */
export interface Refusing {
  readonly refusal: Refusal;
  /** All of them if left out. */
  isFor?(message: Uint8Array): boolean;
}

/** A real server that keeps account of every point, behind a gate that can fail in any way. */
export interface Recorder {
  /** `127.0.0.1:port` */
  readonly address: string;
  /** What it keeps: what came in a request that was not turned away. */
  readonly kept: Ledger;
  /** What came in requests that `refuse` turned away. */
  readonly refused: Ledger;
  /** Of all messages that came, uncompressed, kept or not. */
  readonly bytes: number;
  /** When each request came, by `performance.now()`. */
  readonly askedMs: readonly number[];
  readonly mode: Mode;
  setMode(mode: Mode): Promise<void>;
  /** From now on these requests are turned away while the mode is "up"; none where nothing is given. */
  refuse(refusing?: Refusing): void;
  close(): Promise<void>;
}

/** Starts a destination that is up. */
export async function startRecorder(random: () => number, options: RecorderOptions = {}): Promise<Recorder> {
  const { protocol = "grpc", keeps = true } = options;
  const kept = new Ledger();
  const refused = new Ledger();
  const askedMs: number[] = [];
  let bytes = 0;
  let mode: Mode = "up";
  let refusing: Refusing | undefined;
  const decide: Decide = (message) => {
    askedMs.push(performance.now());
    bytes += message.length;
    if (mode === "up" && refusing !== undefined && refusing.isFor?.(message) !== false) {
      refused.add(message);
      return { kind: "refused", refusal: refusing.refusal };
    }
    if (keeps && !NOT_KEPT.includes(mode)) kept.add(message);
    return REPLIES[mode] ?? TAKEN;
  };
  const destination = await startDestination(protocol, { ...options, decide });
  const gate = await startGate(destination.address, random);
  return {
    address: gate.endpoint,
    kept,
    refused,
    askedMs,
    get bytes() {
      return bytes;
    },
    get mode() {
      return mode;
    },
    async setMode(next) {
      // A new mode ends the connections of the old one; the same again must not.
      if (next === mode) return;
      mode = next;
      await gate.set(PASSAGES[next] ?? "open");
    },
    refuse(next) {
      refusing = next;
    },
    async close() {
      await gate.close();
      destination.close();
    },
  };
}
