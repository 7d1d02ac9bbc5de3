// SPDX-License-Identifier: Apache-2.0
import type { DiskLoad } from "./disk_family.ts";
import { gauge, type Motion, NEVER, perSecond } from "./motion.ts";

/** The conditions that a guest can be in, which show only in its numbers. The first is the healthy one. */
export const GUEST_CONDITIONS = ["well", "stolen_cpu", "memory_pressure", "slow_disk"] as const;
export type GuestConditionName = (typeof GUEST_CONDITIONS)[number];

/** The resources of the node that a guest uses, as its hypervisor shows them. */
export interface GuestUse {
  /** The guest's memory that the hypervisor has in use. */
  readonly touchedKib: number;
  /** CPU time per second, in hundredths of a second. */
  readonly ticksPerSecond: number;
  readonly readBytesPerSecond: number;
  readonly writtenBytesPerSecond: number;
}

/** The numbers of a guest in one condition. Entries of meminfo and vmstat that are not named here change as in a healthy guest. */
export interface GuestCondition {
  /** The share of each mode in a CPU's time. The rest, up to 1, is idle. */
  readonly cpuShares: Readonly<Record<string, number>>;
  /** The load on the guest's first disk; the others have none. */
  readonly disk: DiskLoad;
  /** Tasks that run or wait for a disk, on average. */
  readonly load: number;
  readonly meminfo: Readonly<Record<string, Motion>>;
  readonly vmstat: Readonly<Record<string, Motion>>;
  /** The guest's memory that the hypervisor has in use, in KiB. */
  readonly touchedKib: number;
}

const WELL: GuestCondition = {
  cpuShares: {
    user: 0.04,
    system: 0.013,
    softirq: 0.0013,
    iowait: 0.0013,
    steal: 0.001,
    irq: 2e-4,
    nice: 2e-4,
  },
  disk: { readsPerSecond: 1, writesPerSecond: 3, readKib: 16, writeKib: 12, queue: 0.01 },
  load: 0.4,
  meminfo: {},
  vmstat: { oom_kill: NEVER, pgmajfault: perSecond(0.05) },
  touchedKib: 320_000,
};

const KIB = 1_024;
const PAGE_BYTES = 4_096;
const PAGE_KIB = PAGE_BYTES / KIB;

/** Memory in KiB when processes use nearly all of it. Almost nothing is available, and files are read again and again. */
const FULL_KIB: Readonly<Record<string, number>> = {
  active_anon: 946_000,
  active_file: 700,
  anon_pages: 1_890_000,
  inactive_anon: 944_000,
  inactive_file: 900,
  mapped: 900,
  mem_free: 21_800,
  page_tables: 5_200,
  s_reclaimable: 9_100,
  s_unreclaim: 29_000,
};
/**
 * How far the numbers of a full memory, such as those of `FULL_KIB`, vary, as a share of each. They must vary little,
 * because the kernel shows the same memory in bytes and in pages.
 */
const FULL_SPREAD = 0.004;

function fullMeminfo(): Record<string, Motion> {
  const kib: Record<string, number> = {
    ...FULL_KIB,
    active: 946_700,
    buffers: 60,
    cached: 6_200,
    committed_as: 2_650_000,
    dirty: 12,
    inactive: 944_900,
    k_reclaimable: 9_100,
    kernel_stack: 2_600,
    mem_available: 1_900,
    slab: 38_100,
  };
  const motions = Object.entries(kib).map(
    ([item, around]) =>
      [item, gauge({ around: around * KIB, quantum: PAGE_BYTES, spread: FULL_SPREAD })] as const,
  );
  return Object.fromEntries(motions);
}

/** The entries of /proc/vmstat that count memory of `FULL_KIB` in pages, each with that memory's name. */
const FULL_PAGES: Readonly<Record<string, keyof typeof FULL_KIB>> = {
  nr_active_anon: "active_anon",
  nr_active_file: "active_file",
  nr_anon_pages: "anon_pages",
  nr_free_pages: "mem_free",
  nr_inactive_anon: "inactive_anon",
  nr_inactive_file: "inactive_file",
  nr_mapped: "mapped",
  nr_page_table_pages: "page_tables",
  nr_slab_reclaimable: "s_reclaimable",
  nr_slab_unreclaimable: "s_unreclaim",
  nr_zone_active_anon: "active_anon",
  nr_zone_active_file: "active_file",
  nr_zone_inactive_anon: "inactive_anon",
  nr_zone_inactive_file: "inactive_file",
};

/** Events per second while the kernel looks for memory. Major faults, which read a disk, are a part of all faults. */
const RECLAIM_RATES: Readonly<Record<string, number>> = {
  allocstall_normal: 18,
  kswapd_low_wmark_hit_quickly: 12,
  oom_kill: 0.2,
  pageoutrun: 15,
  pgalloc_dma32: 5_000,
  pgfault: 2_400,
  pgfree: 5_000,
  pgmajfault: 320,
  pgpgin: 12_000,
  pgrefill: 4_000,
  pgscan_direct: 9_000,
  pgscan_file: 16_000,
  pgscan_kswapd: 7_000,
  pgsteal_direct: 1_400,
  pgsteal_file: 2_300,
  pgsteal_kswapd: 900,
  workingset_activate_file: 800,
  workingset_refault_file: 2_200,
  workingset_restore_file: 600,
};

function fullVmstat(): Record<string, Motion> {
  const pages = Object.entries(FULL_PAGES).map(([item, kib]) => {
    const around = (FULL_KIB[kib] ?? 0) / PAGE_KIB;
    return [item, gauge({ around, spread: FULL_SPREAD })] as const;
  });
  const rates = Object.entries(RECLAIM_RATES).map(([item, rate]) => [item, perSecond(rate)] as const);
  return Object.fromEntries([...pages, ...rates]);
}

const CONDITIONS: Readonly<Record<GuestConditionName, GuestCondition>> = {
  well: WELL,
  // The tasks of the guest are ready to run, but the node runs something else.
  stolen_cpu: {
    ...WELL,
    cpuShares: { user: 0.16, system: 0.05, softirq: 0.005, steal: 0.76, irq: 2e-4, nice: 2e-4 },
    load: 3.4,
  },
  memory_pressure: {
    ...WELL,
    cpuShares: { user: 0.08, system: 0.35, softirq: 0.004, iowait: 0.45, irq: 2e-4, nice: 2e-4 },
    // The reads are those of the major faults. `pgpgin` in vmstat counts them too.
    disk: { readsPerSecond: 320, writesPerSecond: 1, readKib: 37, writeKib: 12, queue: 1.4 },
    load: 6,
    meminfo: fullMeminfo(),
    vmstat: fullVmstat(),
    touchedKib: 2_030_000,
  },
  // By Little's law, 32 requests in flight at 120 a second take 270 ms each.
  slow_disk: {
    ...WELL,
    cpuShares: { user: 0.03, system: 0.02, softirq: 0.002, iowait: 0.92, irq: 2e-4, nice: 2e-4 },
    disk: { readsPerSecond: 40, writesPerSecond: 80, readKib: 32, writeKib: 24, queue: 32 },
    load: 12,
  },
};

/** Returns the numbers of a guest in the condition. */
export function guestCondition(name: GuestConditionName): GuestCondition {
  return CONDITIONS[name];
}

/** The modes in which a CPU of the guest uses no CPU time of the node. */
const IDLE_MODES: readonly string[] = ["idle", "iowait", "steal"];
const TICKS_PER_SECOND = 100;

/** Returns the resources of the node that a guest with `cpus` CPUs uses in this condition. */
export function guestUse(name: GuestConditionName, cpus: number): GuestUse {
  const { cpuShares, disk, touchedKib } = CONDITIONS[name];
  const running = Object.entries(cpuShares).filter(([mode]) => !IDLE_MODES.includes(mode));
  const share = running.reduce((sum, [, part]) => sum + part, 0);
  return {
    touchedKib,
    ticksPerSecond: TICKS_PER_SECOND * cpus * share,
    readBytesPerSecond: disk.readsPerSecond * disk.readKib * KIB,
    writtenBytesPerSecond: disk.writesPerSecond * disk.writeKib * KIB,
  };
}
