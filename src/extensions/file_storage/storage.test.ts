// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { recordedLogger } from "../../../test/kit/component/logs.ts";
import { testSettings } from "../../../test/kit/component/settings.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import type { Extension, Settings } from "../../component/component.ts";
import { QUEUE_STORAGES, type QueueStorage } from "../../delivery/queue_storage.ts";
import { createHost } from "../../pipeline/host.ts";
import { factory } from "./factory.ts";

interface Opened {
  readonly extension: Extension;
  /** Rejects like the agent's start. */
  storage(): Promise<QueueStorage>;
}

function storageAt(context: TestContext, config: object, settings: Partial<Settings> = {}): Opened {
  const host = createHost();
  const extension = factory.create(
    factory.schema.parse({ timeout: 0, ...config }),
    testSettings({ id: "file_storage", host, ...settings }),
  );
  context.after(() => extension.shutdown(AbortSignal.abort()));
  return {
    extension,
    async storage() {
      await extension.start();
      const [offer] = host.single(QUEUE_STORAGES).all();
      return offer?.[1] ?? assert.fail("the storage is not offered");
    },
  };
}

function folder(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "storage-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const REQUEST = { bytes: Buffer.from("request"), points: 3 };
const noDamage = (): void => assert.fail("nothing is damaged");

test("requests in an exporter's queue are there after a restart, and each exporter has its own", async (context) => {
  const directory = folder(context);
  const first = storageAt(context, { directory });
  const one = await first.storage();
  const queue = one.openQueue("otlp_grpc/a", noDamage);
  queue.add(REQUEST, 0);
  assert.throws(() => one.openQueue("otlp_grpc/a", noDamage), /in use already/);
  assert.equal(one.openQueue("otlp_grpc/b", noDamage).size.requests, 0);
  await queue.close();
  await first.extension.shutdown(AbortSignal.abort());
  const next = await storageAt(context, { directory }).storage();
  const [taken] = next.openQueue("otlp_grpc/a", noDamage).take({});
  assert.deepEqual(taken?.bytes, REQUEST.bytes);
});

test("a queue that no exporter opens counts in the quota and is logged, and is unchanged when one opens it", async (context) => {
  const directory = folder(context);
  const first = storageAt(context, { directory });
  const queue = (await first.storage()).openQueue("otlp_grpc/a", noDamage);
  queue.add(REQUEST, 0);
  await queue.close();
  await first.extension.shutdown(AbortSignal.abort());

  const clock = new FakeClock();
  const { logger, lines } = recordedLogger();
  const storage = await storageAt(context, { directory }, { clock, logger }).storage();
  const other = storage.openQueue("otlp_grpc/b", noDamage);
  await clock.advance(60_000);
  assert.deepEqual(
    lines.map(({ queue: name, msg }) => [name, String(msg).slice(0, 40)]),
    [["otlp_grpc/a", "A queue on disk belongs to no exporter; "]],
  );
  assert.equal(storage.openQueue("otlp_grpc/a", noDamage).size.requests, 1);
  await other.close();
  await clock.advance(60_000);
  assert.equal(lines.length, 1, "an empty one is no matter");
});

test("the error says why a directory cannot be used", async (context) => {
  const directory = folder(context);
  const refused = (config: object, want: RegExp): Promise<void> =>
    assert.rejects(storageAt(context, config).storage(), want);
  await refused(
    { directory: join(directory, "missing") },
    /missing" as a storage: it does not exist; make it, or set create_directory/,
  );
  writeFileSync(join(directory, "file"), "");
  await refused({ directory: join(directory, "file") }, /it is not a directory/);
  await refused({ directory }, /it holds something else \("file"\)/);
  await refused({ directory: join(directory, "file/below"), create_directory: true }, /ENOTDIR/);
  await storageAt(context, { directory: join(directory, "deep/er"), create_directory: true }).storage();
});

test("a directory without the right to write is refused", async (context) => {
  if (process.getuid?.() === 0) {
    // Root can write everywhere except to a file system that is mounted read-only.
    await assert.rejects(storageAt(context, { directory: "/sys" }).storage(), /cannot use directory "\/sys"/);
    return;
  }
  const directory = folder(context);
  chmodSync(directory, 0o500);
  await assert.rejects(storageAt(context, { directory }).storage(), /cannot use directory/);
});

/** Takes the directory in another process, which lives until it is killed. */
const HOLDER = `
import { DatabaseSync } from "node:sqlite";
const lock = new DatabaseSync(process.argv[1]);
lock.exec("PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE IF NOT EXISTS owner (id); BEGIN EXCLUSIVE");
console.log("held");
setInterval(() => lock, 1000);
`;

test("a directory has one owner, and is free as soon as that one is killed", async (context) => {
  const directory = folder(context);
  mkdirSync(directory, { recursive: true });
  const holder = spawn(process.execPath, [
    "--input-type=module",
    "-e",
    HOLDER,
    join(directory, "kata-collector.lock"),
  ]);
  context.after(() => holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  await assert.rejects(storageAt(context, { directory }).storage(), /another process uses it/);
  const died = once(holder, "exit");
  holder.kill("SIGKILL");
  await died;
  await storageAt(context, { directory }).storage();
});
