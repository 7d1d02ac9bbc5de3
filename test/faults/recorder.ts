import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, status } from "@grpc/grpc-js";
import { RetryInfoSchema } from "../../src/otlp/generated/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../src/otlp/generated/google/rpc/status_pb.ts";
import { type Answer, OK, startOtlpServer } from "../e2e/otlp_server.ts";
import { type Passage, startGate } from "./gate.ts";
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
  /** RESOURCE_EXHAUSTED, and when to come back. */
  "throttling",
  "unavailable",
  /** Requests are kept, and the answer is that they are not. */
  "denying",
  "half_closing",
  /** Connections are cut in the middle of a message. */
  "cutting",
  /** Bytes trickle in, and answers take their time. */
  "slow",
] as const;
export type Mode = (typeof MODES)[number];

const PASSAGES: Readonly<Partial<Record<Mode, Passage>>> = {
  refusing: "closed",
  stalled: "stalled",
  half_closing: "half_closing",
  cutting: "cutting",
  slow: "slow",
};

const COME_BACK_MS = 200;
const SLOW_ANSWER_MS = 300;

/** A real OTLP server that keeps account of every point, behind a gate that can fail in any way. */
export interface Recorder {
  readonly endpoint: string;
  /** What it keeps: what came in a request that was not turned away. */
  readonly kept: Ledger;
  readonly mode: Mode;
  setMode(mode: Mode): Promise<void>;
  close(): Promise<void>;
}

/** Starts a destination that is up. */
export async function startRecorder(random: () => number): Promise<Recorder> {
  const kept = new Ledger();
  let mode: Mode = "up";
  const answer: Answer = (call, reply) => {
    // A server that keeps requests for its tests would keep those of hours here.
    server.requests.length = 0;
    const answered = ANSWERS[mode] ?? OK;
    if (mode !== "throttling" && mode !== "unavailable") kept.add(call.request);
    answered(call, reply);
  };
  const server = await startOtlpServer({ answers: [answer] });
  const gate = await startGate(server.endpoint, random);
  return {
    endpoint: gate.endpoint,
    kept,
    get mode() {
      return mode;
    },
    async setMode(next) {
      mode = next;
      await gate.set(PASSAGES[next] ?? "open");
    },
    async close() {
      await gate.close();
      server.close();
    },
  };
}

const ANSWERS: Readonly<Partial<Record<Mode, Answer>>> = {
  hanging: () => {},
  throttling: (_call, reply) =>
    reply({ code: status.RESOURCE_EXHAUSTED, details: "too much at once", metadata: comeBackLater() }),
  unavailable: (_call, reply) => reply({ code: status.UNAVAILABLE, details: "under repair" }),
  denying: (_call, reply) => reply({ code: status.UNAVAILABLE, details: "kept, and not told" }),
  slow: (call, reply) => void setTimeout(() => OK(call, reply), SLOW_ANSWER_MS),
};

function comeBackLater(): Metadata {
  const retryDelay = { seconds: 0n, nanos: COME_BACK_MS * 1_000_000 };
  const detail = anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay }));
  const metadata = new Metadata();
  const bytes = toBinary(StatusSchema, create(StatusSchema, { code: 8, details: [detail] }));
  metadata.set("grpc-status-details-bin", Buffer.from(bytes));
  return metadata;
}
