// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../clock/fake_clock.ts";
import { CPU_ITEMS } from "./catalogue.ts";
import { GUEST_CONDITIONS, type GuestConditionName } from "./guest_condition.ts";
import { createPage, type SimulatedPage } from "./pages.ts";

const SCRAPES = 8;
const INTERVAL_MS = 5_000;
const ELAPSED_MS = SCRAPES * INTERVAL_MS;

type Samples = ReadonlyMap<string, number>;

function samplesOf(page: SimulatedPage): Samples {
  const lines = page.render().toString().split("\n");
  return new Map(
    lines
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
}

interface Course {
  /** By how much a series has grown between the first scrape and the last. */
  grown(series: string): number;
  /** The numbers of a series at each scrape. */
  values(series: string): number[];
}

/** The numbers on a guest's pages in a condition, in scrapes 5 s apart. */
function course(condition: GuestConditionName, { cpus = 1, seed = 1 } = {}): Course {
  const clock = new FakeClock();
  const page = createPage({ flavor: "go", seed, cpus, clock });
  page.setCondition(condition);
  const pages = Array.from({ length: SCRAPES + 1 }, () => {
    clock.advance(INTERVAL_MS);
    return samplesOf(page);
  });
  const values = (series: string): number[] => pages.map((samples) => samples.get(series) ?? Number.NaN);
  return { values, grown: (series) => (values(series).at(-1) ?? 0) - (values(series)[0] ?? 0) };
}

function cpuSeries(cpu: string, item: string): string {
  return `kata_guest_cpu_time{cpu="${cpu}",item="${item}"}`;
}

/** The parts of the guest's CPU time by mode. */
function cpuShare({ grown }: Course, item: string): number {
  const all = CPU_ITEMS.reduce((sum, mode) => sum + grown(cpuSeries("total", mode)), 0);
  return grown(cpuSeries("total", item)) / all;
}

function memory({ values }: Course, item: string): number[] {
  return values(`kata_guest_meminfo{item="${item}"}`);
}

function vmstat(item: string): string {
  return `kata_guest_vm_stat{item="${item}"}`;
}

function disk(item: string, name = "vda"): string {
  return `kata_guest_diskstat{disk="${name}",item="${item}"}`;
}

test("CPU time follows the clock on each CPU, and the total is their sum, in every condition", () => {
  for (const condition of GUEST_CONDITIONS) {
    const guest = course(condition, { cpus: 4 });
    for (const cpu of ["0", "1", "2", "3"]) {
      const spent = CPU_ITEMS.map((item) => guest.grown(cpuSeries(cpu, item)));
      assert.equal(
        spent.reduce((sum, ms) => sum + ms, 0),
        ELAPSED_MS,
        `${condition}, CPU ${cpu}`,
      );
      assert.ok(spent.every((ms) => ms >= 0));
    }
    for (const item of CPU_ITEMS) {
      const cpus = ["0", "1", "2", "3"].map((cpu) => guest.values(cpuSeries(cpu, item)).at(-1) ?? 0);
      const total = guest.values(cpuSeries("total", item)).at(-1);
      assert.equal(
        cpus.reduce((sum, ms) => sum + ms, 0),
        total,
        item,
      );
    }
  }
});

test("a guest whose CPU time is stolen has little left for itself", () => {
  const sick = course("stolen_cpu");
  assert.ok(Math.abs(cpuShare(sick, "steal") - 0.76) < 0.1, `${cpuShare(sick, "steal")}`);
  assert.ok(cpuShare(sick, "idle") < 0.1);
  assert.ok(cpuShare(course("well"), "steal") < 0.01);
});

test("a guest without memory reads its files again and again, and the kernel kills", () => {
  const sick = course("memory_pressure");
  const [available, total] = [memory(sick, "mem_available"), memory(sick, "mem_total")];
  for (const [at, bytes] of available.entries()) assert.ok(bytes < 0.01 * (total[at] ?? 0));
  const faults = sick.grown(vmstat("pgmajfault"));
  assert.ok(faults > 200 * (ELAPSED_MS / 1_000), `${faults} major faults`);
  assert.ok(sick.grown(vmstat("pgfault")) > faults);
  assert.ok(sick.grown(vmstat("oom_kill")) > 0);
  assert.ok(sick.grown(vmstat("pgscan_direct")) > sick.grown(vmstat("pgsteal_direct")));
  assert.ok(sick.grown(disk("reads")) >= faults * 0.6, "they come from the disk");
  const well = course("well");
  assert.equal(well.grown(vmstat("oom_kill")), 0);
  assert.ok(well.grown(vmstat("pgmajfault")) < 40);
});

test("the parts of a guest's memory are not more than all of it, in every condition", () => {
  for (const condition of GUEST_CONDITIONS) {
    for (let seed = 1; seed <= 20; seed++) {
      const guest = course(condition, { seed });
      const total = memory(guest, "mem_total")[0] ?? 0;
      for (const item of ["mem_available", "active", "inactive"])
        for (const bytes of memory(guest, item)) assert.ok(bytes < total, `${condition} ${item} ${bytes}`);
      const used = ["mem_free", "anon_pages", "cached", "buffers", "slab", "page_tables", "kernel_stack"];
      for (let at = 0; at <= SCRAPES; at++) {
        const sum = used.reduce((bytes, item) => bytes + (memory(guest, item)[at] ?? 0), 0);
        assert.ok(sum < total, `${condition}: ${sum} of ${total}`);
      }
      const rss = guest.values('kata_hypervisor_proc_status{item="vmrss"}').at(-1) ?? 0;
      const inUse = total - (memory(guest, "mem_available").at(-1) ?? 0);
      assert.ok(rss > inUse, `${condition}: a hypervisor of ${rss} whose guest has ${inUse} in use`);
      assert.ok((guest.values('kata_hypervisor_proc_status{item="vmsize"}').at(-1) ?? 0) > rss);
    }
  }
});

test("a hypervisor runs, reads and writes for its guest, but not while the node runs something else", () => {
  for (const condition of GUEST_CONDITIONS) {
    const guest = course(condition, { cpus: 2 });
    const running = ["user", "system", "softirq", "irq", "nice"].reduce(
      (sum, item) => sum + guest.grown(cpuSeries("total", item)),
      0,
    );
    const ranMs = guest.grown('kata_hypervisor_proc_stat{item="utime"}') * 10;
    assert.ok(Math.abs(ranMs - running) < 0.3 * running + 200, `${condition}: ${ranMs} ms for ${running} ms`);
    const readBytes = guest.grown('kata_hypervisor_io_stat{item="readbytes"}');
    const sectorBytes = guest.grown(disk("sectors_read")) * 512;
    assert.ok(
      Math.abs(readBytes - sectorBytes) < 0.4 * sectorBytes + 1e5,
      `${condition}: ${readBytes} ${sectorBytes}`,
    );
  }
});

test("a slow disk is busy all the time, with requests that wait for each other", () => {
  const sick = course("slow_disk");
  assert.ok(cpuShare(sick, "iowait") > 0.8);
  assert.equal(sick.grown(disk("time_in_progress")), ELAPSED_MS);
  const weighted = sick.grown(disk("weighted_time_in_progress"));
  assert.ok(weighted > 20 * ELAPSED_MS && weighted < 45 * ELAPSED_MS, `${weighted}`);
  const requests = sick.grown(disk("reads")) + sick.grown(disk("writes"));
  const waited = sick.grown(disk("time_reading")) + sick.grown(disk("time_writing"));
  assert.ok(waited / requests > 200, `${waited / requests} ms a request`);
  assert.ok(sick.grown(disk("weighted_time_in_progress", "ram0")) < 10, "the others are not used");
});

test("a disk is busy for at most the time that passes, and has at least one request while it is busy", () => {
  for (const condition of GUEST_CONDITIONS) {
    const guest = course(condition);
    const busy = guest.values(disk("time_in_progress"));
    for (const [at, weighted] of guest.values(disk("weighted_time_in_progress")).entries())
      assert.ok(weighted >= (busy[at] ?? 0), `${condition}: ${weighted} in ${busy[at]}`);
    assert.ok(guest.grown(disk("time_in_progress")) <= ELAPSED_MS);
  }
  const well = course("well");
  assert.ok(well.grown(disk("time_in_progress")) < 0.1 * ELAPSED_MS);
  assert.ok(cpuShare(well, "iowait") < 0.01);
});

test("counters keep their values when a guest falls sick and recovers", () => {
  const clock = new FakeClock();
  const page = createPage({ flavor: "rs", seed: 3, clock });
  let before: Samples = new Map();
  for (const condition of [...GUEST_CONDITIONS, "memory_pressure", "well", "stolen_cpu", "well"] as const) {
    page.setCondition(condition);
    for (let scrape = 0; scrape < 4; scrape++) {
      clock.advance(INTERVAL_MS);
      const samples = samplesOf(page);
      assert.equal(samples.size, page.samples);
      for (const [series, value] of samples) {
        const counts = /cpu_time|diskstat\{(?!.*in_progress"})|item="(pg|oom|allocstall_|workingset_re)/.test(
          series,
        );
        if (counts) assert.ok(value >= (before.get(series) ?? 0), `${condition} ${series}`);
      }
      before = samples;
    }
  }
});
