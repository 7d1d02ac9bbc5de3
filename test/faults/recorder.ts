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

/** The ways in which a destination behaves. */
export const MODES = [
  "up",
  /** It does not listen. */
  "refusing",
  /** It accepts connections and reads nothing from them. */
  "stalled",
  /** It keeps requests and sends no answer. */
  "hanging",
  /** It answers RESOURCE_EXHAUSTED or 429, with the time when to come back. */
  "throttling",
  "unavailable",
  /** It keeps requests and answers that it does not. */
  "denying",
  "half_closing",
  /** It cuts connections in the middle of a request. */
  "cutting",
  /** It cuts connections in the middle of an answer. */
  "cutting_answers",
  /** It reads slowly, and its answers are late. */
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
  /** Selects the requests; all of them if left out. */
  isFor?(message: Uint8Array): boolean;
}

/** A real server that records every point that it receives, behind a gate that can disturb its connections. */
export interface Recorder {
  /** `127.0.0.1:port` */
  readonly address: string;
  /** The points of the requests that it took. */
  readonly kept: Ledger;
  /** The points of the requests that were refused because of `refuse`. */
  readonly refused: Ledger;
  /** The size of all messages that it received, uncompressed. */
  readonly bytes: number;
  /** The time of each request by `performance.now()`. */
  readonly askedMs: readonly number[];
  readonly mode: Mode;
  setMode(mode: Mode): Promise<void>;
  /** Refuses these requests from now on while the mode is "up"; without an argument, none. */
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
      // A change of the mode closes all connections, which setting the same mode again must not do.
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
