// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ServerCredentials } from "@grpc/grpc-js";
import type { Meter } from "@opentelemetry/api";
import { pino } from "pino";
import { testSettings } from "../../test/kit/component/settings.ts";
import { startOtlpServer } from "../../test/kit/destinations/otlp_server.ts";
import { freePort } from "../../test/kit/free_port.ts";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { poll } from "../../test/kit/poll.ts";
import { SERVER_AUTHENTICATORS } from "../auth/authenticator.ts";
import { systemClock } from "../clock/clock.ts";
import type { Host } from "../component/host.ts";
import { createHost } from "../pipeline/host.ts";
import { startOtlpSink } from "../simulator/otlp_sink.ts";
import { type TelemetryConfig, telemetrySchema } from "./config.ts";
import { startOwnMetrics } from "./own_metrics.ts";

const build = { command: "kata-collector", description: "", version: "1.2.3" };

function start(telemetry: TelemetryConfig, host: Host = createHost()) {
  const logger = pino({ level: "silent" });
  const settingsOf = (meter: Meter) => testSettings({ id: "own", clock: systemClock, logger, meter, host });
  return startOwnMetrics({ telemetry, build, usage: process, logger, clock: systemClock, settingsOf });
}

/** The config that the user's words give. */
function telemetryOf(metrics: unknown, resource: unknown = {}): TelemetryConfig {
  return telemetrySchema.parse({ metrics, resource });
}

test("a pull reader serves the agent's metrics under the Collector's names", async () => {
  const port = await freePort();
  const reader = { pull: { exporter: { prometheus: { host: "127.0.0.1", port } } } };
  const own = await start(telemetryOf({ readers: [reader] }, { "k8s.node.name": "n1" }));
  try {
    own.meter.createCounter("otelcol_receiver_accepted_metric_points").add(3, { receiver: "kata" });
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    assert.match(text, /^otelcol_receiver_accepted_metric_points_total\{receiver="kata"\} 3$/m);
    assert.match(text, /^otelcol_process_memory_rss [0-9]+$/m);
    assert.match(text, /^kata_collector_event_loop_delay_max_seconds [0-9.e-]+$/m);
    assert.match(text, /^target_info\{.*service_version="1\.2\.3".*k8s_node_name="n1"/m);
  } finally {
    await own.shutdown();
  }
  await assert.rejects(fetch(`http://127.0.0.1:${port}/metrics`), "the listener is closed");
});

test("the pull reader's listener refuses requests from pages of other hosts, and requests that would change something", async () => {
  const port = await freePort();
  const reader = { pull: { exporter: { prometheus: { host: "127.0.0.1", port } } } };
  const own = await start(telemetryOf({ readers: [reader] }));
  const ask = (method: string, host: string): Promise<number | undefined> => {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    request({ port, host: "127.0.0.1", path: "/metrics", method, headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
    return promise;
  };
  try {
    assert.equal(await ask("GET", `localhost:${port}`), 200);
    assert.equal(await ask("GET", `evil.example:${port}`), 421);
    assert.equal(await ask("POST", `localhost:${port}`), 405);
  } finally {
    await own.shutdown();
  }
});

test("the pull reader's listener asks for credentials if it is configured to", async () => {
  const port = await freePort();
  const prometheus = { host: "127.0.0.1", port, auth: { authenticator: "auth" } };
  const host = createHost();
  const own = await start(telemetryOf({ readers: [{ pull: { exporter: { prometheus } } }] }), host);
  const ask = async (authorization: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { authorization } })).status;
  try {
    assert.equal(await ask("right"), 503, "its extension has not started");
    host.single(SERVER_AUTHENTICATORS).add("auth", {
      challenge: "Test",
      check: async ({ headers }) => (headers["authorization"] === "right" ? "accepted" : "refused"),
    });
    assert.deepEqual([await ask("right"), await ask("wrong")], [200, 401]);
  } finally {
    await own.shutdown();
  }
});

test("a periodic reader pushes them over OTLP", async () => {
  let points = 0;
  const sink = await startOtlpSink((delivery) => {
    points += delivery.points;
  });
  const otlp = { protocol: "grpc", endpoint: `http://${sink.endpoint}` };
  const own = await start(
    telemetryOf({ readers: [{ periodic: { interval: 200, timeout: 200, exporter: { otlp } } }] }),
  );
  try {
    await poll("a push", () => (points > 0 ? true : undefined));
  } finally {
    await own.shutdown();
    sink.close();
  }
});

test("a periodic reader trusts the authority that it is given, and no other", async (context) => {
  if (!peerIsThere(context, "openssl", hasProgram("openssl", "version"))) return;
  const folder = await mkdtemp(join(tmpdir(), "own-metrics-"));
  const cert = join(folder, "crt");
  const key = join(folder, "key");
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  execFileSync("openssl", ["req", "-x509", ...curve, ...subject, "-keyout", key, "-out", cert], {
    stdio: "ignore",
  });
  const pair = { private_key: await readFile(key), cert_chain: await readFile(cert) };
  const server = await startOtlpServer({ credentials: ServerCredentials.createSsl(null, [pair]) });
  const begin = (otlp: object) => {
    const exporter = {
      otlp: {
        endpoint: `https://${server.endpoint.replace("127.0.0.1", "localhost")}`,
        timeout: 500,
        ...otlp,
      },
    };
    return start(telemetryOf({ readers: [{ periodic: { interval: 200, exporter } }] }));
  };
  try {
    const distrustful = await begin({});
    await distrustful.shutdown().catch(() => {}); // its last push fails
    assert.equal(server.requests.length, 0);
    const own = await begin({ certificate: cert });
    await poll("a push", () => (server.requests.length > 0 ? true : undefined)).finally(() => own.shutdown());
    await assert.rejects(begin({ certificate: join(folder, "none") }), /cannot read a PEM file .*none/);
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
});

test("level none has no reader and instruments that do nothing", async () => {
  const port = await freePort();
  const reader = { pull: { exporter: { prometheus: { host: "127.0.0.1", port } } } };
  const own = await start(telemetryOf({ level: "none", readers: [reader] }));
  own.meter.createCounter("x").add(1);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/metrics`));
  await own.shutdown();
});

test("a port that is taken is named", async () => {
  const port = await freePort();
  const telemetry = telemetryOf({
    readers: [{ pull: { exporter: { prometheus: { host: "127.0.0.1", port } } } }],
  });
  const first = await start(telemetry);
  try {
    await assert.rejects(start(telemetry), {
      message: new RegExp(`cannot serve the agent's own metrics: cannot listen on 127\\.0\\.0\\.1:${port}`),
    });
  } finally {
    await first.shutdown();
  }
});
