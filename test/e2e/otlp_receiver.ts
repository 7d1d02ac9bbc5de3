// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PYTHON } from "../kit/peers.ts";

// A request in protobuf's JSON mapping, in which 64-bit integers, NaN and the infinities are strings.
export interface OtlpJsonAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

export interface OtlpJsonPoint {
  readonly attributes?: readonly OtlpJsonAttribute[];
  readonly startTimeUnixNano?: string;
  readonly timeUnixNano?: string;
  readonly flags?: number;
  readonly asDouble?: number | string;
  readonly count?: string;
  readonly sum?: number | string;
  readonly bucketCounts?: readonly string[];
  readonly explicitBounds?: readonly number[];
  readonly quantileValues?: readonly { readonly quantile?: number; readonly value?: number | string }[];
}

interface OtlpJsonPoints {
  readonly dataPoints?: readonly OtlpJsonPoint[];
  readonly isMonotonic?: boolean;
  readonly aggregationTemporality?: string;
}

export interface OtlpJsonMetric {
  readonly name: string;
  readonly description?: string;
  readonly unit?: string;
  readonly gauge?: OtlpJsonPoints;
  readonly sum?: OtlpJsonPoints;
  readonly histogram?: OtlpJsonPoints;
  readonly summary?: OtlpJsonPoints;
}

export interface OtlpJsonResource {
  readonly resource?: { readonly attributes?: readonly OtlpJsonAttribute[] };
  readonly scopeMetrics?: readonly {
    readonly scope?: { readonly name?: string; readonly version?: string };
    readonly metrics?: readonly OtlpJsonMetric[];
  }[];
}

export interface OtlpJsonRequest {
  readonly resourceMetrics?: readonly OtlpJsonResource[];
}

export interface OtlpReceiver {
  /** `127.0.0.1:port` */
  readonly endpoint: string;
  /** All requests so far, in the order of arrival. */
  readonly requests: readonly OtlpJsonRequest[];
  close(): Promise<void>;
}

/** The packages that `startOtlpReceiver` needs. */
export const OTLP_RECEIVER_NEEDS = "Python with grpcio and opentelemetry-proto";

/**
 * Starts a receiver that is made of grpcio and opentelemetry-proto. It takes messages of up to `messageBytesMax` bytes, or
 * 4 MiB. Resolves to undefined where this Python lacks the packages.
 */
export async function startOtlpReceiver(messageBytesMax?: number): Promise<OtlpReceiver | undefined> {
  const script = join(import.meta.dirname, "otlp_receiver.py");
  const sizes = messageBytesMax === undefined ? [] : [String(messageBytesMax)];
  const python = spawn(PYTHON, [script, ...sizes], { stdio: ["pipe", "pipe", "ignore"] });
  const exited = new Promise<void>((resolve) => {
    python.once("error", () => resolve());
    python.once("exit", () => resolve());
  });
  const lines = createInterface({ input: python.stdout });
  const first = await Promise.race([once(lines, "line"), exited]);
  if (first === undefined) return undefined;
  const requests: OtlpJsonRequest[] = [];
  lines.on("line", (line) => requests.push(JSON.parse(line)));
  const { port } = JSON.parse(String(first[0])) as { port: number };
  return {
    endpoint: `127.0.0.1:${port}`,
    requests,
    async close() {
      python.stdin.end();
      await exited;
    },
  };
}
