// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { createPage, type SimulatedPage } from "./pages.ts";

const SHIM_FAMILIES = 58;

function blocks(page: Buffer): string[] {
  return page.toString().split(/(?=^# HELP )/m);
}

function namesIn(page: Buffer): string[] {
  return blocks(page).map((block) => block.split(" ")[2] ?? "");
}

/** The number of each series. */
function samples(page: Buffer): Map<string, number> {
  const lines = page
    .toString()
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

/** The pages of `count` scrapes. */
function scrapes(page: SimulatedPage, count: number): Map<string, number>[] {
  return Array.from({ length: count }, () => samples(page.render()));
}

test("a Go page of the default size has 1,261 samples in 75 families, 84 KB, on every scrape", () => {
  const page = createPage({ flavor: "go", seed: 1 });
  assert.equal(page.samples, 1_261);
  for (let scrape = 0; scrape < 10; scrape++) {
    const text = page.render();
    assert.equal(samples(text).size, 1_261, "no series twice");
    assert.equal(new Set(namesIn(text)).size, 75);
    assert.ok(text.length > 82_000 && text.length < 87_000, `${text.length} bytes`);
  }
});

test("a page has the sizes that are asked for", () => {
  const check = (options: Partial<Parameters<typeof createPage>[0]>, want: number): void => {
    const page = createPage({ flavor: "go", seed: 1, ...options });
    assert.equal(samples(page.render()).size, want, JSON.stringify(options));
    assert.equal(page.samples, want);
  };
  check({ disks: 2 }, 1_261 - 24 * 17);
  check({ disks: 30 }, 1_261 + 4 * 17);
  check({ guestInterfaces: 4 }, 1_261 + 2 * 16);
  check({ shimInterfaces: 3 }, 1_261 - 3 * 16);
  check({ cpus: 8 }, 1_261 + 7 * 10);
  check({ vmstatItems: ["pgfault"] }, 1_261 - 191);
  check({ flavor: "rs" }, 422);
  check({ flavor: "rs", cpus: 2 }, 422 + 10 + 6);
  check({ flavor: "rs", hypervisor: "clh" }, 422 - 10);
});

test("a runtime-rs page has the agent's part first, then the hypervisor's, then the shim's, each sorted", () => {
  const names = namesIn(createPage({ flavor: "rs", seed: 1 }).render());
  const parts = [/^kata_(agent|guest)_/, /^kata_hypervisor_/, /^kata_shim_/].map((part) =>
    names.filter((name) => part.test(name)),
  );
  assert.deepEqual(names, parts.flat());
  for (const part of parts) assert.deepEqual(part, part.toSorted());
});

test("a Go page has its own families sorted, then the agent's in another order on every scrape", () => {
  const page = createPage({ flavor: "go", seed: 1 });
  const [first, second] = [namesIn(page.render()), namesIn(page.render())];
  const own = first.slice(0, SHIM_FAMILIES);
  assert.deepEqual(own, own.toSorted());
  assert.deepEqual(own, second.slice(0, SHIM_FAMILIES));
  assert.notDeepEqual(first.slice(SHIM_FAMILIES), second.slice(SHIM_FAMILIES));
  assert.deepEqual(first.toSorted(), second.toSorted());
});

test("counters never fall, histograms add up, and gauges go both ways", () => {
  const pages = scrapes(createPage({ flavor: "go", seed: 1 }), 40);
  const counted =
    /_total$|_bucket|_count|_sum|_(io|proc)_stat\{|netdev|cpu_time|diskstat\{(?!.*in_progress)|ctxt/;
  for (const [at, page] of pages.slice(1).entries()) {
    const before = pages[at] ?? new Map<string, number>();
    for (const [series, value] of page) {
      if (counted.test(series)) assert.ok(value >= (before.get(series) ?? Number.NaN), series);
    }
    const action = 'action="grpc.CheckRequest"';
    const calls = "kata_shim_agent_rpc_durations_histogram_milliseconds";
    assert.equal(page.get(`${calls}_bucket{${action},le="+Inf"}`), page.get(`${calls}_count{${action}}`));
    assert.ok(
      (page.get(`${calls}_bucket{${action},le="1"}`) ?? 0) <= (page.get(`${calls}_count{${action}}`) ?? 0),
    );
  }
  const free = pages.map((page) => page.get('kata_guest_meminfo{item="mem_free"}') ?? Number.NaN);
  const steps = free.slice(1).map((value, at) => Math.sign(value - (free[at] ?? 0)));
  assert.ok(steps.includes(1) && steps.includes(-1));
});

test("each scrape is counted by the page itself", () => {
  const counts = scrapes(createPage({ flavor: "go", seed: 1 }), 3).map((page) =>
    page.get("kata_agent_scrape_count"),
  );
  assert.deepEqual(counts, [1, 2, 3]);
});

test("in time every number changes, except those that stay the same while a process lives and its guest is healthy", () => {
  const page = createPage({ flavor: "go", seed: 1, disks: 2 });
  const first = samples(page.render());
  const moved = new Set<string>();
  // Most numbers of a page are nearly always zero, and take a while to change.
  for (let look = 0; look < 150; look++) {
    for (let skipped = 0; skipped < 15; skipped++) page.render();
    for (const [series, value] of samples(page.render())) if (first.get(series) !== value) moved.add(series);
  }
  const still = [...first.keys()].filter((series) => !moved.has(series));
  const constant =
    /go_gc_go|go_info|gomaxprocs|_max_|start_time|total"|commit_limit|direct_map|hugepagesize|item="guest|oom_kill/;
  for (const series of still) assert.match(series, constant);
});

test("without the agent a page has only the shim's own part, and with the agent again everything", () => {
  const page = createPage({ flavor: "go", seed: 1 });
  page.render();
  assert.equal(namesIn(page.renderWithoutAgent()).length, SHIM_FAMILIES);
  assert.equal(samples(page.render()).size, 1_261);
});

test("a page that was served does not change with the next", () => {
  const page = createPage({ flavor: "go", seed: 1 });
  const served = page.render();
  const before = Buffer.from(served);
  page.render();
  assert.deepEqual(served, before);
});

test("the same seed makes the same pages, another seed others", () => {
  const render = (seed: number) => {
    const page = createPage({ flavor: "go", seed });
    return Buffer.concat([page.render(), page.render()]);
  };
  assert.deepEqual(render(7), render(7));
  assert.notDeepEqual(render(7), render(8));
});

/** The exit codes of promtool if all is well, and if only its linter complains, as about Kata's names. */
const TAKEN = [0, 3];

test("promtool takes a page", (context) => {
  if (!peerIsThere(context, "promtool", hasProgram("promtool"))) return;
  for (const flavor of ["go", "rs"] as const) {
    const input = createPage({ flavor, seed: 1 }).render();
    const { status, stderr } = spawnSync("promtool", ["check", "metrics"], { input, encoding: "utf8" });
    assert.ok(TAKEN.includes(status ?? -1), stderr);
  }
});
