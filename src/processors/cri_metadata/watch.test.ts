// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtemp, open as openFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { advanceUntil } from "../../../test/kit/component/fake_time.ts";
import { recordedLogger } from "../../../test/kit/component/logs.ts";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { sandboxStatus } from "../../../test/kit/kata/sandbox_status.ts";
import { poll } from "../../../test/kit/poll.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import { SANDBOX_SOURCES } from "../../kata/sandboxes.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import { createHost } from "../../pipeline/host.ts";
import { type CriServer, type SimulatedPod, startCriServer } from "../../simulator/cri_server.ts";
import { RuntimeWatch } from "./watch.ts";

/** The flag O_PATH, which Node does not name: a descriptor of a file of any kind. */
const O_PATH = 0o10000000;

function pod(id: string, change: Partial<SimulatedPod> = {}): SimulatedPod {
  return {
    id,
    uid: `${id}-uid`,
    name: `${id}-pod`,
    namespace: "shop",
    labels: {},
    annotations: {},
    runtimeHandler: "kata-qemu",
    createdAtMs: 0,
    ...change,
  };
}

/** A watch next to a receiver with these sandboxes, and two sockets for runtimes. */
async function bench(context: TestContext, ...sandboxes: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), "watch-"));
  const paths = [join(folder, "a.sock"), join(folder, "b.sock")] as const;
  const clock = new FakeClock();
  const host = createHost(clock);
  const node = new Set(sandboxes);
  const roots = ["/run/vc/sbs"];
  host.single(SANDBOX_SOURCES).add("kata", {
    // A receiver does the same.
    sandboxes: () =>
      Array.from(node, (id) => sandboxStatus(id, { isListed: host.single(WITNESSES).isListed(id) })),
    roots: () => roots,
    owns: () => false,
    lastScrape: () => undefined,
    rawPage: () => undefined,
    agentUrl: () => undefined,
  });
  const { logger, lines } = recordedLogger();
  const settings = testSettings({ id: "cri_metadata", clock, host, logger });
  const open = (endpoints: readonly string[]): RuntimeWatch => {
    const watch = new RuntimeWatch({
      endpoints: endpoints.map((path) => `unix://${path}`),
      timeoutMs: 1_000,
      kataHandlers: ["kata*"],
      settings,
      sandboxIds: () => [],
      onPod: () => {},
    });
    watch.start();
    context.after(() => watch.close());
    return watch;
  };
  const servers: CriServer[] = [];
  context.after(async () => {
    for (const server of servers) await server.close();
    await rm(folder, { recursive: true });
  });
  return {
    clock,
    host,
    node,
    open,
    paths,
    roots,
    messages: () => lines.map(({ msg }) => String(msg)),
    status: () => host.statuses.components().find(({ id }) => id === "cri_metadata"),
    async start(index: 0 | 1 = 0, runtimeVersion = "1.7.0") {
      const server = await startCriServer({ socketPath: paths[index], runtimeVersion });
      servers.push(server);
      return server;
    },
    until: (what: string, done: () => boolean, stepMs = 1_000) => advanceUntil(clock, what, { done, stepMs }),
  };
}

test("Kata pods outside the receivers' roots are a warning, after two minutes an error, and ok when they are found", async (context) => {
  const { open, paths, start, status, host, node, clock, messages, until } = await bench(context);
  const server = await start();
  server.add(pod("s1"));
  server.add(pod("plain", { runtimeHandler: "" }));
  server.add(pod("ended", { isReady: false }));
  open([paths[0]]);
  await until("the warning", () =>
    messages().some((message) => message.startsWith("Ready Kata pods have no")),
  );
  assert.ok(clock.monotonicMs() < 30_000);
  assert.equal(host.single(WITNESSES).missingPods, undefined);
  await until("the error", () => host.single(WITNESSES).missingPods !== undefined);
  assert.ok(clock.monotonicMs() >= 120_000);
  assert.equal(status()?.state, "ok", "it is the receivers that are blind");
  assert.match(
    host.single(WITNESSES).missingPods ?? "",
    /under "\/run\/vc\/sbs": shop\/s1-pod \(s1\); name the node's directories/,
  );
  node.add("s1");
  await until("the end", () => host.single(WITNESSES).missingPods === undefined);
  assert.equal(messages().at(-1), "Every ready Kata pod has a sandbox again.");
});

test("no pod is missing before all receivers have read their roots, and the missing ones stay so while a receiver does not know", async (context) => {
  const { open, paths, start, host, node, roots, clock, messages, until } = await bench(context);
  const server = await start();
  server.add(pod("s1"));
  const other: string[] = [];
  host.single(SANDBOX_SOURCES).add("kata/late", {
    sandboxes: () => [],
    roots: () => other,
    owns: () => false,
    lastScrape: () => undefined,
    rawPage: () => undefined,
    agentUrl: () => undefined,
  });
  const speaks = (): boolean => messages().some((message) => message.includes("Kata pod"));
  open([paths[0]]);
  await until("many lists", () => server.calls.list > 3, 10_000);
  assert.ok(clock.monotonicMs() > 120_000);
  assert.ok(!speaks());
  other.push("/late");
  await until("the warning", speaks);
  const count = messages().length;
  roots.pop();
  const { list } = server.calls;
  await until("more lists", () => server.calls.list > list + 2, 10_000);
  assert.equal(messages().length, count);
  roots.push("/run/vc/sbs");
  node.add("s1");
  await until("the end", () => messages().at(-1) === "Every ready Kata pod has a sandbox again.");
});

test("a sandbox whose pod was deleted is unlisted and keeps its pod's name, also in the watch after a reload", async (context) => {
  const { open, paths, start, host, until } = await bench(context, "s1", "s2");
  const server = await start();
  server.add(pod("s1"));
  server.add(pod("s2"));
  const watch = open([paths[0]]);
  const witnesses = host.single(WITNESSES);
  assert.equal(witnesses.isListed("s1"), undefined);
  await until("the list", () => witnesses.isListed("s1") === true);
  server.remove("s1");
  await until("the verdict", () => witnesses.isListed("s1") === false, 5_000);
  assert.equal(witnesses.isListed("s2"), true);
  assert.equal(witnesses.podOf("s1")?.name, "s1-pod");

  const next = open([paths[0]]);
  watch.close();
  await until("the verdict of the next", () => witnesses.isListed("s1") === false);
  assert.equal(witnesses.podOf("s1")?.name, "s1-pod");
  next.close();
  assert.equal(witnesses.isListed("s1"), undefined);
});

test("for a sandbox without a reading, a question causes one list, and no other", async (context) => {
  const { open, paths, start, host, node, clock, until } = await bench(context);
  const server = await start();
  open([paths[0]]);
  await until("the list", () => server.calls.list === 1);
  const startMs = clock.monotonicMs();
  node.add("s1");
  assert.equal(host.single(WITNESSES).isListed("s1"), undefined);
  await until("the verdict", () => host.single(WITNESSES).isListed("s1") === false);
  const sinceMs = clock.monotonicMs();
  await until("half a minute", () => clock.monotonicMs() - sinceMs >= 30_000);
  // In addition to the first list and the lists of each minute.
  const minutes = Math.floor((clock.monotonicMs() - startMs) / 60_000);
  assert.equal(server.calls.list - minutes, 2);
});

test("an event of a pod of the node is known at once", async (context) => {
  const { open, paths, start, host, clock, until } = await bench(context, "s1");
  const server = await start(0, "2.0.0");
  server.add(pod("s1"));
  open([paths[0]]);
  await until("the stream", () => server.calls.events === 1);
  server.remove("s1");
  const sinceMs = clock.monotonicMs();
  await until("the verdict", () => host.single(WITNESSES).isListed("s1") === false);
  assert.ok(clock.monotonicMs() - sinceMs <= 30_000, "not only with the next minute's list");
});

test("of two runtimes the one with the node's pods is found, and needed while it is down", async (context) => {
  const { open, paths, start, host, node, status, messages, until } = await bench(context, "s1");
  const first = await start(0);
  const second = await start(1);
  second.add(pod("s1"));
  open(paths);
  const witnesses = host.single(WITNESSES);
  await until("the name", () => witnesses.podOf("s1") !== undefined);
  await second.close();
  await until("the outage", () => status()?.state === "recoverable_error");
  assert.equal(witnesses.isListed("s1"), undefined);
  // The first one is still asked, and its list counts.
  first.add(pod("s2"));
  node.add("s2");
  await until("the other's sandbox", () => witnesses.isListed("s2") === true);
  assert.equal(status()?.state, "recoverable_error");
  (await start(1)).add(pod("s1"));
  await until("the end of the outage", () => witnesses.isListed("s1") === true);
  assert.equal(status()?.state, "ok");
  assert.equal(
    messages().filter((message) => message.startsWith("Container runtime answers again")).length,
    1,
  );
});

test("a socket that was replaced on the node is an error until a restart", async (context) => {
  const { open, paths, start, status, messages, until } = await bench(context);
  const server = await start();
  // Through a descriptor the file is reachable as through a bind mount: also when its name is gone.
  const file = await openFile(paths[0], O_PATH);
  context.after(() => file.close());
  open([`/proc/self/fd/${file.fd}`]);
  await until("the list", () => server.calls.list === 1);
  await server.close();
  await until("the error", () => status()?.needsRestart === true);
  assert.equal(status()?.state, "permanent_error");
  assert.match(status()?.error ?? "", /was replaced on the node; mount its directory, not the file$/);
  assert.equal(messages().filter((message) => message.startsWith("Container runtime does not")).length, 1);
});

test("on a node without a runtime the witness knows nothing", async (context) => {
  const { open, paths, host, status, until } = await bench(context, "s1");
  open(paths);
  await until("the error", () => status()?.state === "recoverable_error");
  assert.equal(host.single(WITNESSES).isListed("s1"), undefined);
  assert.equal(host.single(WITNESSES).podOf("s1"), undefined);
});

test("a shutdown in the middle of a call leaves nothing behind", async (context) => {
  const { open, paths, start, clock } = await bench(context, "s1");
  const server = await start();
  server.behave({ hang: true });
  const watch = open([paths[0]]);
  await clock.advance(30);
  await poll("the call", () => server.calls.version === 1 || undefined);
  watch.close();
  await clock.advance(60_000);
  assert.equal(clock.timerCount, 0);
});
