// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { knownSandbox } from "../../../../test/kit/kata/sandbox.ts";
import type { ShimKind } from "../../../kata/known_families.ts";
import { Interner } from "../../../metrics/interner.ts";
import { defaultParseLimits } from "../../../prometheus/parse/parse_limits.ts";
import { Sandbox } from "../sandbox/sandbox.ts";
import { Pages } from "./pages.ts";

/** Reads a shim's page, whole or cut at the limit, and returns the families that are not the agent's own. */
function read(shim: ShimKind, text: string, isCut: boolean) {
  const pages = new Pages({
    interner: new Interner(),
    limits: defaultParseLimits,
    shimFamilies: [],
    guestLabels: [],
  });
  const {
    found,
    resource,
    answers,
    rank,
    foundAt: now,
    readiness,
  } = knownSandbox("a", {
    now: { unixMs: 0, monotonicMs: 0 },
  });
  const sandbox = new Sandbox(found, { resource, answers, rank, now, readiness, source: pages.source() });
  sandbox.shim = shim;
  const page = pages.read(
    sandbox,
    {
      ok: true,
      page: Buffer.concat([Buffer.from(text), Buffer.alloc(16)]),
      length: Buffer.byteLength(text),
      whole: !isCut,
      limit: isCut ? "body_bytes" : undefined,
    },
    { lastAnswerMs: undefined, isListed: undefined, boot: undefined, limits: new Set() },
  );
  const names = page.schema.families.map(({ name }) => name).filter((name) => !/^kata_collector_/.test(name));
  return { ...page, names };
}

const gauge = (name: string): string => `# TYPE ${name} gauge\n${name} 1\n`;
const HOST = gauge("kata_shim_fds") + gauge("kata_shim_threads");
const GUEST = gauge("kata_guest_load") + gauge("kata_guest_tasks");

test("on a cut page of the Go shim, the shim's part and the beginning of the guest's part are read", () => {
  const { names, limits, skippedLines, badLines, reasons, firstFault } = read(
    "go",
    `${HOST}${GUEST}kata_guest_cpu_time 12`,
    true,
  );
  assert.deepEqual(names, ["kata_shim_fds", "kata_shim_threads", "kata_guest_load", "kata_guest_tasks"]);
  assert.deepEqual([...limits], ["body_bytes"]);
  assert.deepEqual({ skippedLines, badLines }, { skippedLines: 1, badLines: 0 });
  assert.deepEqual(firstFault, { line: 9, reason: "page is longer than limits::body_bytes" });
  assert.deepEqual([...reasons], [["page is longer than limits::body_bytes", 1]]);
});

test("on a cut page of runtime-rs, nothing counts as the shim's part", () => {
  for (const shim of ["rs", "rs-dragonball"] as const) {
    const { names, limits, badLines } = read(shim, `${GUEST}${HOST}kata_guest_cp`, true);
    assert.deepEqual(
      names,
      ["kata_guest_load", "kata_guest_tasks"],
      "a guest can pad its page up to the cut",
    );
    assert.deepEqual([...limits], ["body_bytes"]);
    assert.equal(badLines, 2);
    assert.equal(read(shim, `${GUEST}${HOST}`, false).names.length, 4, "a whole page has the host's part");
  }
});

test("a line that is cut in a number is not read", () => {
  for (const shim of ["go", "rs"] as const)
    assert.deepEqual(read(shim, `${GUEST}kata_guest_cpu_time 12`, true).samples, 2);
});
