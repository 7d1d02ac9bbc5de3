// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import { gunzipSync } from "node:zlib";
import { closer } from "../kit/closing.ts";
import { type HttpAnswer, type PushServer, startPushServer } from "../kit/destinations/push_server.ts";
import { judgeOtlp } from "./otlp_checks.ts";
import type { Identity } from "./page_checks.ts";
import { judgeWrite } from "./write_checks.ts";

/** Receivers that check every request of the agent's, one of them with a real Prometheus behind it. */
export interface PushJudges {
  /** The exporters of the agent's config that push here. */
  readonly exporters: Readonly<Record<string, Record<string, unknown>>>;
  /** Adds sandboxes that may be in requests from now on. */
  know(identities: readonly Identity[]): void;
  /** The number of requests that were checked. */
  readonly requests: Readonly<Record<"write" | "otlp", number>>;
  /** Returns the faults of the requests since the last call, a sentence each. */
  takeFaults(): readonly string[];
  close(): Promise<void>;
}

export interface PushJudgesOptions {
  /** The URL of a Prometheus that must accept each remote write; undefined where Prometheus is not installed. */
  readonly writesTo: string | undefined;
  readonly identities: readonly Identity[];
}

const FAULTS_KEPT_MAX = 20;

export async function startPushJudges({ writesTo, identities }: PushJudgesOptions): Promise<PushJudges> {
  const known = new Map<string, Identity>();
  const know = (more: readonly Identity[]): void => {
    for (const identity of more) known.set(identity.sandbox_id, identity);
  };
  know(identities);
  const faults: string[] = [];
  const requests = { write: 0, otlp: 0 };
  const note = (way: "write" | "otlp", found: readonly string[]): void => {
    requests[way]++;
    faults.push(...found.map((fault) => `${way}: ${fault}`).slice(0, FAULTS_KEPT_MAX - faults.length));
  };

  const closing = closer();
  const start = async (answer: HttpAnswer): Promise<PushServer> =>
    await startPushServer(closing, { keeps: false, answers: [answer] });
  const write = await start(async (request, response, { body }) => {
    note("write", judgeWrite(body, known));
    const status = writesTo === undefined ? 204 : await relay(writesTo, request, body);
    if (typeof status === "string") faults.push(`write: Prometheus: ${status}`);
    response.writeHead(typeof status === "number" ? status : 204).end();
  });
  const otlp = await start((request, response, { body }) => {
    note("otlp", judgeOtlp(request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body, known));
    response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
  });
  return {
    exporters: {
      prometheus_remote_write: { http: { endpoint: `${write.url}/api/v1/write` }, send_metadata: true },
      otlp_http: { endpoint: otlp.url },
    },
    know,
    requests,
    takeFaults: () => faults.splice(0),
    async close() {
      closing.close();
    },
  };
}

/** Passes the request on to Prometheus. Returns the status of its answer, or its error. */
async function relay(url: string, request: IncomingMessage, body: Buffer): Promise<number | string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers))
    if (/^(content-(type|encoding)|x-prometheus-)/.test(name) && typeof value === "string")
      headers[name] = value;
  const answer = await fetch(url, { method: "POST", headers, body: new Uint8Array(body) });
  const text = await answer.text();
  return answer.ok ? answer.status : `status ${answer.status}: ${text.slice(0, 300)}`;
}
