// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FakeClock } from "../clock/fake_clock.ts";
import { seededRandom } from "../simulator/random.ts";
import { DiskQueue } from "./disk_queue.ts";
import { type Damage, Segment } from "./disk_segment.ts";
import type { PendingRequest, RequestQueue } from "./queue.ts";

const MIB = 1024 * 1024;

/** Opens queues on one directory, one after the other, as runs of the agent do. */
function disk(context: TestContext, bytesMax = 100 * MIB) {
  const directory = mkdtempSync(join(tmpdir(), "queue-"));
  const damages: Damage[] = [];
  const troubles: Error[] = [];
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const open = (at = directory): DiskQueue =>
    new DiskQueue({
      directory: at,
      fsync: "never",
      quota: { bytesMax, bytes: 0 },
      clock: new FakeClock(),
      onDamage: (damage) => damages.push(damage),
      onError: (error) => troubles.push(error),
    });
  context.after(() => assert.deepEqual(troubles, []));
  return { directory, open, damages };
}

const add = (queue: RequestQueue, text: string): string | undefined =>
  queue.add({ bytes: Buffer.from(text), points: text.length }, 1_000);

const textOf = (taken: readonly PendingRequest[]): string =>
  Buffer.concat(taken.map(({ bytes }) => bytes)).toString();

/** Takes and acknowledges one request after the other. */
function drain(queue: RequestQueue): string[] {
  const texts: string[] = [];
  for (let taken = queue.take(ONE); taken.length > 0; taken = queue.take(ONE)) {
    texts.push(textOf(taken));
    queue.acknowledge(taken);
  }
  return texts;
}
const ONE = { requests: 1 };

test("requests are taken in their order, as many as the limit allows, and are gone when they are acknowledged", (context) => {
  const { open } = disk(context);
  const queue = open();
  for (const text of ["a", "bb", "ccc", "dddd"]) assert.equal(add(queue, text), undefined);
  assert.deepEqual(queue.size, { requests: 4, items: 10, bytes: 10 });
  assert.equal(queue.oldestMs, 1_000);
  const taken = queue.take({ bytes: 6 });
  assert.equal(textOf(taken), "abbccc");
  assert.deepEqual(queue.waiting, { requests: 1, items: 4, bytes: 4 });
  assert.deepEqual(queue.size, { requests: 4, items: 10, bytes: 10 });
  queue.acknowledge(taken);
  assert.deepEqual(drain(queue), ["dddd"]);
  assert.deepEqual(queue.size, { requests: 0, items: 0, bytes: 0 });
  assert.deepEqual(queue.take(ONE), []);
  assert.equal(queue.oldestMs, undefined);
});

test("after a restart all requests that are not acknowledged wait again, in their order", (context) => {
  const { open } = disk(context);
  const first = open();
  for (let number = 0; number < 10; number++) add(first, `request ${number}`);
  const taken = Array.from({ length: 6 }, () => first.take(ONE));
  for (const index of [1, 3, 4]) first.acknowledge(taken[index] ?? assert.fail());
  // Nothing is closed, as after a crash.
  const second = open();
  assert.deepEqual(second.size, { requests: 7, items: 63, bytes: 63 });
  add(second, "a new one");
  const left = [0, 2, 5, 6, 7, 8, 9].map((number) => `request ${number}`);
  assert.deepEqual(drain(second), [...left, "a new one"]);
  const third = open();
  assert.deepEqual(drain(third), []);
  add(third, "later");
  assert.deepEqual(drain(open()), ["later"]);
});

test("a random life with crashes loses nothing and repeats only requests that were being sent", (context) => {
  const random = seededRandom(7);
  const { open } = disk(context, 2 * MIB);
  let queue = open();
  const accepted: string[] = [];
  const delivered = new Map<string, number>();
  let onTheirWay: ReturnType<DiskQueue["take"]>[] = [];
  let repeatedAtMost = 0;
  for (let step = 0; step < 3_000; step++) {
    const dice = random();
    if (dice < 0.5) {
      const text = `${step}:${"x".repeat(Math.floor(random() * 3_000))};`;
      if (add(queue, text) === undefined) accepted.push(text);
    } else if (dice < 0.75) {
      const taken = queue.take({ bytes: 4_000 });
      if (taken.length === 0) continue;
      onTheirWay.push(taken);
      for (const text of textOf(taken).match(/[^;]*;/g) ?? [])
        delivered.set(text, (delivered.get(text) ?? 0) + 1);
    } else if (dice < 0.99) {
      const [taken] = onTheirWay.splice(Math.floor(random() * onTheirWay.length), 1);
      if (taken !== undefined) queue.acknowledge(taken);
    } else {
      repeatedAtMost += onTheirWay.reduce((sum, taken) => sum + (taken?.length ?? 0), 0);
      onTheirWay = [];
      queue = open();
    }
  }
  for (const text of drain(queue)) delivered.set(text, (delivered.get(text) ?? 0) + 1);
  assert.ok(accepted.length > 500, `${accepted.length} accepted`);
  assert.deepEqual(
    accepted.filter((text) => !delivered.has(text)),
    [],
    "nothing is missing",
  );
  const repeated = [...delivered.values()].reduce((sum, times) => sum + times - 1, 0);
  assert.ok(repeated <= repeatedAtMost, `${repeated} repeated, ${repeatedAtMost} were on their way`);
});

test("a record that was cut off at any byte was never accepted; the records before it are whole", (context) => {
  const { open, directory, damages } = disk(context);
  const queue = open();
  add(queue, "first");
  const [name = ""] = readdirSync(directory).filter((one) => one.endsWith(".log"));
  const before = statSync(join(directory, name)).size;
  add(queue, "second");
  const whole = statSync(join(directory, name)).size;
  for (let size = before; size < whole; size++) {
    const copy = mkdtempSync(join(tmpdir(), "queue-"));
    context.after(() => rmSync(copy, { recursive: true, force: true }));
    cpSync(directory, copy, { recursive: true });
    truncateSync(join(copy, name), size);
    const cut = open(copy);
    add(cut, "third");
    assert.deepEqual(drain(cut), ["first", "third"], `cut at ${size}`);
  }
  assert.deepEqual(damages, []);
});

test("a wrong byte, wherever it is, damages only its own record, which is reported", (context) => {
  const { open, directory, damages } = disk(context);
  const queue = open();
  for (const text of ["first", "second", "third"]) add(queue, text);
  const [name = ""] = readdirSync(directory).filter((one) => one.endsWith(".log"));
  const bytes = readFileSync(join(directory, name));
  for (let at = 0; at < bytes.length; at++) {
    const copy = mkdtempSync(join(tmpdir(), "queue-"));
    cpSync(directory, copy, { recursive: true });
    const spoilt = Buffer.from(bytes);
    spoilt.writeUInt8((spoilt.readUInt8(at) + 1) % 256, at);
    writeFileSync(join(copy, name), spoilt);
    damages.length = 0;
    const left = drain(open(copy));
    assert.equal(left.length, 2, `byte ${at}: ${left}`);
    assert.equal(damages.length, 1, `byte ${at}`);
    assert.equal(damages[0]?.lost.requests, 1);
    rmSync(copy, { recursive: true });
  }
});

test("damaged acks repeat their records and lose none", (context) => {
  const { open, directory } = disk(context);
  const queue = open();
  for (const text of ["a", "b", "c"]) add(queue, text);
  for (let count = 0; count < 2; count++) queue.acknowledge(queue.take(ONE));
  const path = join(directory, "acks");
  const bytes = readFileSync(path);
  truncateSync(path, bytes.length - 3);
  assert.deepEqual(drain(open()), ["b", "c"]);
});

test("space is freed when all records of a segment are acknowledged, and the quota limits it", (context) => {
  const { open, directory } = disk(context, 2 * MIB);
  const queue = open();
  const text = "x".repeat(60_000);
  let accepted = 0;
  while (add(queue, text) === undefined) accepted++;
  assert.match(add(queue, text) ?? "", /quota is used up/);
  assert.ok(accepted >= 30, `${accepted} of 60 KB`);
  const onDisk = (): number =>
    readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
  assert.ok(onDisk() > 1.7 * MIB && onDisk() <= 2 * MIB);
  assert.equal(drain(queue).length, accepted);
  assert.ok(onDisk() < 0.3 * MIB, `${onDisk()} bytes are left`);
  assert.equal(add(queue, text), undefined);
});

test("a full disk takes nothing more, loses nothing, and takes requests again when there is space", async (context) => {
  const mount = mkdtempSync(join(tmpdir(), "full-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], { stdio: "ignore" });
  } catch {
    rmSync(mount, { recursive: true });
    context.skip("mounting is not allowed here");
    return;
  }
  context.after(() => {
    execFileSync("umount", ["--lazy", mount]);
    rmSync(mount, { recursive: true });
  });
  const { open } = disk(context);
  const queue = open(join(mount, "queue"));
  const text = "x".repeat(100_000);
  const accepted: string[] = [];
  let refusal: string | undefined;
  for (let number = 0; refusal === undefined && number < 20; number++) {
    refusal = add(queue, `${number}${text}`);
    if (refusal === undefined) accepted.push(`${number}${text}`);
  }
  assert.match(refusal ?? "it took all", /no space left/i);
  const taken = queue.take(ONE);
  assert.equal(textOf(taken), accepted.shift());
  await queue.close();
  const again = open(join(mount, "queue"));
  accepted.unshift(textOf(taken));
  assert.deepEqual(drain(again), accepted);
  assert.equal(add(again, text), undefined);
});

test("a queue whose directory was removed goes on in a new one, and loses nothing of either", (context) => {
  const { directory, open } = disk(context);
  const queue = open();
  add(queue, "before");
  rmSync(directory, { recursive: true });
  assert.ok(queue.hasSpace);
  assert.equal(add(queue, "after"), undefined);
  assert.deepEqual(drain(queue), ["before", "after"]);
  add(queue, "later");
  assert.deepEqual(drain(open()), ["later"], "after a crash");
});

test("records that the disk fails to read are lost and counted, and nothing throws", (context) => {
  const { directory, damages } = disk(context);
  const segment = new Segment(join(directory, "0000000000000001.log"), 1);
  for (const [index, text] of ["one", "two"].entries())
    segment.append(Buffer.from(text), { sequence: index + 1, points: 3, addedMs: 1 }, { sync: false });
  // Every read of the file fails from now on.
  segment.close();
  const taken = segment.take(
    () => true,
    () => false,
    (damage) => damages.push(damage),
  );
  assert.equal(taken, undefined);
  assert.deepEqual(
    damages.map(({ lost }) => lost),
    [{ requests: 2, items: 6, bytes: 6 }],
  );
  assert.equal(segment.oldestMs, undefined);
  assert.equal(segment.isAcknowledged, true, "so the file is removed");
});
