// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import type { ReloadControl } from "../../component/reload.ts";
import type { ComponentState } from "../../component/status.ts";
import { createHost } from "../../pipeline/host.ts";
import { HealthCheck } from "./extension.ts";
import { factory } from "./factory.ts";

async function scene(context: TestContext, config: object = {}, reload?: ReloadControl) {
  const clock = new FakeClock();
  const host = createHost(clock, reload);
  host.statuses.arrange(new Map([["metrics", ["receiver:kata", "exporter:otlp"]]]), ["health_check"]);
  const extension = factory.create(
    factory.schema.parse({ endpoint: "127.0.0.1:0", ...config }),
    testSettings({ id: "health_check", clock, host }),
  );
  assert.ok(extension instanceof HealthCheck);
  await extension.start();
  context.after(() => extension.shutdown(AbortSignal.abort()));
  const { address } = extension;
  assert.ok("port" in address);
  const set = (receiver: ComponentState, exporter: ComponentState, error = ""): void => {
    host.statuses.report("receiver", "kata", receiver);
    host.statuses.report("exporter", "otlp", exporter, error);
  };
  set("starting", "starting");
  return {
    clock,
    host,
    set,
    async get(path: string, method = "GET") {
      const response = await fetch(`http://127.0.0.1:${address.port}${path}`, { method });
      return { status: response.status, text: await response.text() };
    },
  };
}

test("the agent is ready unless a component says otherwise, whatever its peers do; with ?strict every component must work", async (context) => {
  const { host, set, get } = await scene(context);
  const check = async (path: string, status: number, reasons?: readonly string[]): Promise<void> => {
    const answer = await get(path);
    assert.deepEqual([answer.status, JSON.parse(answer.text).reasons], [status, reasons], path);
  };
  const starting = ['receiver "kata": starting', 'exporter "otlp": starting'];
  await check("/ready", 200);
  await check("/ready?strict", 503, starting);
  set("ok", "ok");
  await check("/ready?strict", 200);
  set("ok", "recoverable_error", "no connection");
  await check("/ready", 200);
  const down = 'exporter "otlp": recoverable error: no connection';
  await check("/ready?strict", 503, [down]);
  const release = host.statuses.holdReadiness("receiver", "kata", "its roots have not been looked at");
  const held = 'receiver "kata": its roots have not been looked at';
  await check("/ready", 503, [held]);
  await check("/ready?strict", 503, [held, down]);
  release();
  await check("/ready", 200);
  await check("/live", 200);
});

test("the agent is alive until a component reports a fault that only a restart removes", async (context) => {
  const { host, get } = await scene(context);
  const live = async (): Promise<unknown> => {
    const { status, text } = await get("/live");
    const answer = JSON.parse(text);
    return [status, answer.status, answer.reasons];
  };
  const { statuses } = host;
  const removed = "the directory of root /run/vc was removed";
  assert.deepEqual(await live(), [200, "alive", undefined]);
  statuses.report("receiver", "kata", "permanent_error", removed);
  assert.deepEqual(await live(), [200, "alive", undefined]);
  statuses.report("receiver", "kata", "permanent_error", removed, { needsRestart: true });
  statuses.outdated("receiver", "kata", "key is cut off");
  const reason = `receiver "kata": permanent error: ${removed}`;
  assert.deepEqual(await live(), [503, "needs a restart", [reason]]);
  const tree = JSON.parse((await get("/status?verbose")).text);
  assert.equal(tree.components["pipeline:metrics"].components["receiver:kata"].needs_restart, true);
  statuses.report("receiver", "kata", "ok");
  assert.deepEqual(await live(), [200, "alive", undefined]);
});

test("errors that may pass are given time, others are not", async (context) => {
  const { clock, set, get } = await scene(context, { component_health: { recovery_duration: "30s" } });
  const health = async (): Promise<number> => (await get("/")).status;
  set("ok", "recoverable_error", "no connection");
  await clock.advance(29_000);
  assert.equal(await health(), 200);
  await clock.advance(1_000);
  assert.equal(await health(), 503);
  set("ok", "ok");
  assert.equal(await health(), 200);
  set("ok", "permanent_error", "bad");
  assert.equal(await health(), 503);
});

test("/status has the state of each pipeline and component, and the outcome of the last reload", async (context) => {
  const last = { ok: false, faults: ["agent.yaml:3:5: unknown key"], atMs: 0 };
  const { set, get } = await scene(context, {}, { run: async () => last, last });
  set("ok", "recoverable_error", "UNAVAILABLE: no connection");
  const { status, text } = await get("/status?verbose");
  assert.equal(status, 200);
  const tree = JSON.parse(text);
  assert.equal(tree.status, "StatusRecoverableError");
  assert.deepEqual(tree.config, { reloaded: false, time: "1970-01-01T00:00:00.000Z", faults: last.faults });
  const members = tree.components["pipeline:metrics"].components;
  assert.equal(members["receiver:kata"].status, "StatusOK");
  assert.equal(members["exporter:otlp"].error, "UNAVAILABLE: no connection");
  const one = JSON.parse((await get("/status?pipeline=metrics")).text);
  assert.deepEqual(one, { healthy: true, status: "StatusRecoverableError" });
  assert.equal((await get("/status?pipeline=traces")).status, 404);
});

test("a reload is asked for by POST, where it is enabled, and answers with its faults", async (context) => {
  const results = [
    { ok: true, faults: [] },
    { ok: false, faults: ["no"] },
  ];
  const reload: ReloadControl = { run: async () => results.shift() ?? assert.fail(), last: undefined };
  const { get } = await scene(context, { reload: true }, reload);
  assert.equal((await get("/-/reload")).status, 405);
  assert.deepEqual(await get("/-/reload", "POST"), { status: 200, text: '{"ok":true,"faults":[]}\n' });
  assert.deepEqual(await get("/-/reload", "POST"), { status: 500, text: '{"ok":false,"faults":["no"]}\n' });
  const closed = await scene(context, {}, reload);
  assert.equal((await closed.get("/-/reload", "POST")).status, 404);
});

test("the config can replace the text of the short answer", async (context) => {
  const { set, get } = await scene(context, { response_body: { healthy: "fine", unhealthy: "ill" } });
  set("ok", "ok");
  assert.deepEqual(await get("/"), { status: 200, text: "fine" });
  set("ok", "permanent_error", "bad");
  assert.deepEqual(await get("/"), { status: 503, text: "ill" });
});
