// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { fileSchema } from "./config.ts";

test("the defaults are the Collector's", () => {
  const config = fileSchema.parse({ path: "metrics.json" });
  assert.equal(config.format, "json");
  assert.equal(config.compression, "none");
  assert.equal(config.keep, false);
  assert.equal(config.rotation, undefined);
  assert.equal(config.directoryMode, undefined);
  assert.equal(config.fileMode, 0o600);
  assert.equal(config.sendingQueue.batch.flushTimeoutMs, 1_000);
  assert.equal(fileSchema.parse({ path: "f", create_directory: true }).directoryMode, 0o755);
});

test("rotation without options has the Collector's defaults, and keeps what is there", () => {
  const rotation = { bytesMax: 100 * 1024 * 1024, daysMax: 0, backupsMax: 100, isLocalTime: false };
  for (const input of [{}, null]) {
    const config = fileSchema.parse({ path: "f", rotation: input });
    assert.deepEqual(config.rotation, rotation);
    assert.equal(config.keep, true);
  }
});

test("a file has one writer, so that records keep their order; without a queue readings need more", () => {
  assert.equal(fileSchema.parse({ path: "f" }).sendingQueue.numConsumers, 1);
  const without = fileSchema.parse({ path: "f", sending_queue: { enabled: false } });
  assert.equal(without.sendingQueue.numConsumers, 10);
});

/** The first fault, as `path: message`. */
function check(input: object, wanted: string | undefined): void {
  const { error } = fileSchema.safeParse({ path: "f", ...input });
  const [issue] = error?.issues ?? [];
  assert.equal(issue === undefined ? undefined : `${issue.path.join("::")}: ${issue.message}`, wanted);
}

test("options of the Collector that mean the same are taken", () => {
  check({ append: true, format: "proto", compression: "zstd", flush_interval: "5s" }, undefined);
  check({ rotation: { max_megabytes: 10, max_days: 3, max_backups: 3, localtime: true } }, undefined);
  check({ create_directory: true, directory_permissions: "0700" }, undefined);
  check({ file_permissions: "0640" }, undefined);
  check({ compression: "", sending_queue: { storage: "file_storage" } }, undefined);
});

test("what is wrong or not supported is refused with a reason", () => {
  check({ path: "" }, "path: must not be empty");
  check(
    { append: true, rotation: {} },
    "append: cannot be given together with rotation, which appends anyway",
  );
  check(
    { append: true, rotation: null },
    "append: cannot be given together with rotation, which appends anyway",
  );
  check({ format: "csv" }, 'format: Invalid option: expected one of "json"|"proto"');
  check({ compression: "gzip" }, 'compression: must be "zstd" or "none"');
  check({ directory_permissions: "0700" }, "directory_permissions: requires create_directory to be true");
  check(
    { create_directory: true, directory_permissions: "4755" },
    'directory_permissions: must be octal, such as "0755"',
  );
  check({ file_permissions: "rw" }, 'file_permissions: must be octal, such as "0640"');
  check({ flush_interval: "0s" }, "flush_interval: must be at least 1ms");
  check(
    { flush_interval: "3s", sending_queue: { batch: { flush_timeout: "2s" } } },
    "flush_interval: is given already, as sending_queue::batch::flush_timeout",
  );
  check({ encoding: "x" }, "encoding: is not supported; format is json or proto");
  check({ group_by: { enabled: true } }, "group_by: is not supported; all sandboxes share a file");
  check({ rotation: { max_megabytes: 0 } }, "rotation::max_megabytes: Too small: expected number to be >=1");
});

test("the schema can be shown to editors", () => {
  const json = z.toJSONSchema(fileSchema, { io: "input", unrepresentable: "any" });
  const { properties } = JSON.parse(JSON.stringify(json));
  assert.match(properties.path.description, /Where/);
  assert.equal(properties.format.default, "json");
});
