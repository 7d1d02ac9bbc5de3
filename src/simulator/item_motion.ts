// SPDX-License-Identifier: Apache-2.0
import type { GuestUse } from "./guest_condition.ts";
import { counter, fixed, gauge, type Motion, perSecond, RARELY, SELDOM } from "./motion.ts";

// The magnitudes are those of small real guests. An item that is not named in this file is zero most of the time.

const KIB = 1_024;
const PAGE_BYTES = 4_096;

const BYTES = counter({ start: 5e7, growth: 20_000 });
const CALLS = counter({ start: 20_000, growth: 30 });

/** Returns how the I/O items of a process change. A hypervisor reads and writes what its guest asks of the disk. */
export function ioMotion(guest: GuestUse | undefined): (item: string) => Motion {
  return (item) => {
    if (item.startsWith("cancelled")) return RARELY;
    if (guest !== undefined && /^(rchar|read_?bytes)$/.test(item)) return perSecond(guest.readBytesPerSecond);
    if (guest !== undefined && /^(wchar|write_?bytes)$/.test(item))
      return perSecond(guest.writtenBytesPerSecond);
    return item.startsWith("sysc") ? CALLS : BYTES;
  };
}

/**
 * Returns how the CPU time of a process changes, in ticks of 10 ms. The times of its children grow rarely, since the
 * kernel adds a child's time only when the child has ended. The CPU time of a guest is user time of its hypervisor.
 */
export function procStatMotion(guest: GuestUse | undefined): (item: string) => Motion {
  return (item) => {
    if (item.startsWith("c")) return RARELY;
    if (guest === undefined) return counter({ start: 2_000, growth: 2 });
    return perSecond(item === "utime" ? guest.ticksPerSecond : guest.ticksPerSecond * SYSTEM_SHARE);
  };
}

/** The system time of a hypervisor, as a share of its user time. */
const SYSTEM_SHARE = 0.1;

const PROC_STATUS_KIB: Readonly<Record<string, number>> = {
  rssanon: 8_200,
  rssfile: 40_000,
  vmdata: 138_000,
  vmexe: 16_200,
  vmhwm: 48_200,
  vmlib: 1_528,
  vmpeak: 1_888_000,
  vmpmd: 24,
  vmpte: 204,
  vmrss: 48_200,
  vmsize: 1_823_000,
  vmstk: 132,
};

/** Returns how the status items of a process change. Go shims convert the kernel's KiB to bytes; the others do not. */
export function procStatusMotion(
  unit: "bytes" | "KiB",
  guest: GuestUse | undefined,
): (item: string) => Motion {
  return (item) => {
    if (item.endsWith("ctxt_switches")) return counter({ start: 5_000, growth: 12 });
    const kib = statusKib(item, guest);
    if (kib === undefined) return SELDOM;
    const spread = spreadOf(kib);
    return unit === "KiB"
      ? gauge({ around: kib, quantum: 4, spread })
      : gauge({ around: kib * KIB, quantum: 4 * KIB, spread });
  };
}

/** Returns an item in KiB. A hypervisor's memory is its own plus the guest's, which it shares with virtiofsd. */
function statusKib(item: string, guest: GuestUse | undefined): number | undefined {
  const own = PROC_STATUS_KIB[item];
  if (guest === undefined) return own;
  if (item === "rssshmem") return guest.touchedKib;
  return own === undefined || !/^vm(hwm|peak|rss|size)$/.test(item) ? own : own + guest.touchedKib;
}

/** Returns how the items of a network device change. Only the pod's own interfaces have traffic; tunnels have none. */
export function netdevMotion(item: string, device: string): Motion {
  if (!/^(eth|tap)/.test(device)) return RARELY;
  if (item.endsWith("_bytes")) return BYTES;
  return item.endsWith("_packets") ? CALLS : RARELY;
}

const MEMINFO_KIB: Readonly<Record<string, number>> = {
  active: 2_448,
  active_anon: 16,
  active_file: 2_432,
  anon_pages: 1_444,
  buffers: 740,
  cached: 9_068,
  committed_as: 20_196,
  dirty: 216,
  inactive: 8_444,
  inactive_anon: 1_364,
  inactive_file: 7_080,
  k_reclaimable: 16_408,
  kernel_stack: 2_208,
  mapped: 5_260,
  mem_available: 1_766_944,
  mem_free: 1_878_056,
  page_tables: 192,
  per_cpu: 2_624,
  s_reclaimable: 16_408,
  s_unreclaim: 25_224,
  shmem: 3_300,
  slab: 41_632,
  vmalloc_used: 5_696,
};
/** The items that do not change on a machine, in bytes. */
const MEMINFO_FIXED: Readonly<Record<string, number>> = {
  commit_limit: 1_028_882_432,
  direct_map_1G: 1_073_741_824,
  direct_map_2M: 1_050_673_152,
  direct_map_4k: 45_502_464,
  hugepagesize: 2_097_152,
  mem_total: 2_057_764_864,
  // `vmalloc_total` is above 2^53, as on x86-64 with five-level page tables.
  vmalloc_total: 14_073_748_835_531_776,
};

/** Returns how an item of the guest's /proc/meminfo changes, in bytes. */
export function meminfoMotion(item: string): Motion {
  const constant = MEMINFO_FIXED[item];
  if (constant !== undefined) return fixed(constant);
  const kib = MEMINFO_KIB[item];
  if (kib === undefined) return SELDOM;
  return gauge({ around: kib * KIB, quantum: PAGE_BYTES, spread: spreadOf(kib) });
}

/**
 * Returns how far an item varies. Items that are nearly all of a guest's memory vary less, so that they stay within its
 * size.
 */
function spreadOf(kib: number): number {
  return kib > 1e6 ? 0.02 : 0.2;
}

const VMSTAT_GAUGES =
  /^nr_(active|anon_pages|dirty|file_pages|free_pages|inactive|kernel_stack|mapped|page_table|shmem$|slab|zone_(in)?active|zone_write)/;
const VMSTAT_COUNTERS =
  /^(nr_(dirtied|written)|numa_(hit|local)|pg(activate|alloc_(dma32|normal)|fault|free|majfault|pgin|pgout|reuse)$|slabs_scanned|thp_fault_alloc|workingset_(nodes|refault_file))/;

/** Returns how an item of the guest's /proc/vmstat changes, in pages or events. */
export function vmstatMotion(item: string): Motion {
  if (item === "nr_free_pages") return gauge({ around: 459_000, spread: spreadOf(4 * 459_000) });
  if (VMSTAT_GAUGES.test(item)) return gauge({ around: 1_800 });
  if (VMSTAT_COUNTERS.test(item)) return counter({ start: 60_000, growth: 150 });
  return item.startsWith("nr_") ? SELDOM : RARELY;
}

/** Returns how an item of a file system with `total` bytes or inodes changes. */
export function filesystemMotion(item: string, total: number): Motion {
  if (item === "total") return fixed(total);
  return gauge({
    around: item === "used" ? total * 0.3 : total * 0.6,
    quantum: total > 1e9 ? PAGE_BYTES : 1,
  });
}
