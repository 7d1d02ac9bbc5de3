// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { createTestAuthority, type TestAuthority } from "../../test/kit/certificates.ts";
import { recordedLogger } from "../../test/kit/component/logs.ts";
import { testSettings } from "../../test/kit/component/settings.ts";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { poll } from "../../test/kit/poll.ts";
import { FakeClock } from "../clock/fake_clock.ts";
import { createHost } from "../pipeline/host.ts";
import { Certificates } from "./certificates.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
let authority: TestAuthority | undefined;
const read = (name: string): string => readFileSync(authority?.file(name) ?? "", "utf8");

before(() => {
  if (!HAS_OPENSSL) return;
  authority = createTestAuthority();
  for (const name of ["one", "two", "three"]) authority.issue(name, `DNS:${name}.test`);
  authority.issue("old", "DNS:old.test", -1);
});

after(() => authority?.remove());

/** Certificates of files that are links, as a kubelet mounts them, into a folder that is exchanged as a whole. */
function scene(context: TestContext, reloadIntervalMs: number) {
  const folder = mkdtempSync(join(tmpdir(), "certificates-"));
  context.after(() => rmSync(folder, { recursive: true }));
  let mounts = 0;
  const mount = (cert: string, key: string): void => {
    const name = `..mount_${mounts++}`;
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "tls.crt"), cert);
    writeFileSync(join(folder, name, "tls.key"), key);
    symlinkSync(name, join(folder, "..data_tmp"));
    renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
  };
  for (const name of ["tls.crt", "tls.key"]) symlinkSync(join("..data", name), join(folder, name));
  mount(read("one.crt"), read("one.key"));

  const clock = new FakeClock(Date.now());
  const host = createHost(clock);
  host.statuses.report("exporter", "out", "ok");
  const { logger, lines } = recordedLogger();
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  context.after(() => provider.shutdown());
  const file = (name: string): string => join(folder, name);
  const used: (string | undefined)[] = [];
  const certificates = new Certificates({
    owner: {
      kind: "exporter",
      settings: testSettings({ id: "out", clock, host, logger, meter: provider.getMeter("test") }),
    },
    sources: {
      ca: undefined,
      cert: { option: "cert_file", from: { path: file("tls.crt") } },
      key: { option: "key_file", from: { path: file("tls.key") } },
    },
    reloadIntervalMs,
    use: ({ cert }) => used.push(cert),
  });
  context.after(() => certificates.close());
  return {
    ...{ certificates, clock, mount, used, lines, file },
    /** Moves time on until the condition holds, since reading files takes none of it. */
    until: (what: string, stepMs: number, holds: () => boolean) =>
      poll(what, async () => {
        if (holds()) return true;
        await clock.advance(stepMs);
        return undefined;
      }),
    status: (): string => {
      const [status] = host.statuses.components();
      return `${status?.state} ${status?.error}`;
    },
    said: (message: string) => lines.filter(({ msg }) => msg === message),
    collect: async (): Promise<unknown[]> => {
      exporter.reset();
      await reader.forceFlush();
      const [metric] = exporter.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? [];
      return (
        metric?.dataPoints.map(({ value, attributes }) => [metric.descriptor.name, attributes, value]) ?? []
      );
    },
  };
}

const EXCHANGED = "Certificates were exchanged.";
const KEPT = "Certificates cannot be exchanged; the old ones stay in use.";

test("files are read again at the interval, and used where their contents have changed", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { certificates, clock, mount, used, until, said } = scene(context, 60_000);
  await certificates.load();
  assert.deepEqual(used, [read("one.crt")]);
  mount(read("one.crt"), read("one.key"));
  await certificates.load();
  assert.equal(used.length, 1, "other files with the same in them are nothing new");
  mount(read("two.crt"), read("two.key"));
  await clock.advance(59_999);
  assert.equal(used.length, 1);
  await until("the second certificate", 60_000, () => used.length === 2);
  assert.equal(used[1], read("two.crt"));
  assert.equal(said(EXCHANGED).length, 1);
});

test("half of a new pair is not used: the old pair stays until the new one is complete, and the status says so", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { certificates, mount, used, until, said, status, file } = scene(context, 0);
  await certificates.load();
  mount(read("two.crt"), read("one.key"));
  const mismatch = `cannot use tls::key_file "${file("tls.key")}": it is not the key of tls::cert_file "${file("tls.crt")}"`;
  await assert.rejects(certificates.load(), ({ message }: Error) => message.startsWith(mismatch));
  assert.ok(status().startsWith(`recoverable_error ${mismatch}`));
  assert.equal(used.length, 1);
  mount(read("two.crt"), "");
  await until("another failure", 10_000, () => status().includes("there is no key in it"));
  assert.deepEqual(
    said(KEPT).map(({ error }) => String(error).includes("no key in it")),
    [false, true],
  );
  mount(read("two.crt"), read("two.key"));
  await until("the second certificate", 10_000, () => used.length === 2);
  assert.equal(status(), "ok ");
});

test("without an interval, good files are read again only on request", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { certificates, clock, mount } = scene(context, 0);
  await certificates.load();
  assert.equal(clock.timerCount, 0);
  mount("", "");
  await assert.rejects(certificates.load());
  assert.equal(clock.timerCount, 1, "what is no good is");
  mount(read("one.crt"), read("one.key"));
  await certificates.load();
  assert.equal(clock.timerCount, 0);
});

test("a lasting failure is logged once a minute, and keeps its time in the status", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { certificates, clock, mount, said, status } = scene(context, 0);
  await certificates.load();
  mount("", "");
  for (let second = 0; second <= 60; second += 10) {
    await assert.rejects(certificates.load());
    assert.match(status(), /^recoverable_error /);
    assert.equal(said(KEPT).length, second < 60 ? 1 : 2);
    // Whatever the timer set off reads after this one.
    await clock.advance(9_999);
    await clock.advance(1);
  }
});

test("after a close nothing is read, and the status has no error", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { certificates, clock, mount, status, used } = scene(context, 60_000);
  await certificates.load();
  mount("", "");
  await assert.rejects(certificates.load());
  certificates.close();
  assert.equal(status(), "ok ");
  assert.equal(clock.timerCount, 0);
  mount(read("two.crt"), read("two.key"));
  await certificates.load();
  assert.equal(used.length, 1);
});

test("files that cannot be read at the start are an error, and are not tried again", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { certificates, clock, mount, status, used } = scene(context, 60_000);
  mount("", "");
  await assert.rejects(certificates.load(), /there is no certificate in it/);
  assert.deepEqual([used.length, clock.timerCount, status()], [0, 0, "ok "]);
});

test("an expired certificate is used, with a warning", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { certificates, mount, used, lines, status, file } = scene(context, 60_000);
  await certificates.load();
  assert.deepEqual(lines, []);
  mount(read("old.crt"), read("old.key"));
  await certificates.load();
  assert.equal(used.at(-1), read("old.crt"));
  const line = lines.find(({ msg }) => msg === "Certificate has expired; it is used all the same.");
  assert.equal(line?.["file"], file("tls.crt"));
  assert.ok(Date.parse(String(line?.["expired"])) < Date.now());
  assert.equal(status(), "ok ");
});

test("a gauge says when the certificate in use expires, and nothing after the end", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const { certificates, mount, collect, file } = scene(context, 0);
  assert.deepEqual(await collect(), []);
  await certificates.load();
  const name = "kata_collector_certificate_expiry_timestamp_seconds";
  const attributes = { component: "exporter:out", file: file("tls.crt") };
  const expiry = (cert: string): number => Date.parse(new X509Certificate(read(cert)).validTo) / 1_000;
  assert.deepEqual(await collect(), [[name, attributes, expiry("one.crt")]]);
  mount(read("old.crt"), read("one.key"));
  await assert.rejects(certificates.load());
  assert.deepEqual(await collect(), [[name, attributes, expiry("one.crt")]], "that of what is in use");
  mount(read("old.crt"), read("old.key"));
  await certificates.load();
  assert.deepEqual(await collect(), [[name, attributes, expiry("old.crt")]]);
  certificates.close();
  assert.deepEqual(await collect(), [[name, attributes, Number.NaN]]);
});
