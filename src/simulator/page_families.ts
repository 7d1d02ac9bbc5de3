// SPDX-License-Identifier: Apache-2.0
import {
  AGENT_RPC_ACTIONS,
  GO_MEMSTATS,
  IO_ITEMS_GO,
  IO_ITEMS_RS,
  MEMINFO_ITEMS,
  NETDEV_ITEMS,
  PROC_STAT_ITEMS,
  PROC_STATUS_ITEMS,
  PROC_STATUS_ITEMS_GO,
  RPC_ACTIONS,
  VMSTAT_ITEMS,
} from "./catalogue.ts";
import { cpuTimeFamily } from "./cpu_family.ts";
import { diskFamily } from "./disk_family.ts";
import { type FamilyShape, familyOf, histogramOf, type LabelPairs, type Row } from "./family_shape.ts";
import { type GuestConditionName, type GuestUse, guestCondition, guestUse } from "./guest_condition.ts";
import {
  filesystemMotion,
  ioMotion,
  meminfoMotion,
  netdevMotion,
  procStatMotion,
  procStatusMotion,
  vmstatMotion,
} from "./item_motion.ts";
import { counter, EVERY_TIME, fixed, gauge, type Motion, RARELY, SELDOM } from "./motion.ts";

/** The parts of a sandbox that its page shows: how many of each, and the guest's condition. */
export interface PageSizes {
  /**
   * The number of disks of the guest: by default 26 for Go shims (one disk, and the RAM and loop devices of Kata's
   * guest kernel), and 2 for runtime-rs.
   */
  readonly disks?: number;
  readonly guestInterfaces?: number;
  /** The number of interfaces in the hypervisor's network namespace. Only Go shims show them. */
  readonly shimInterfaces?: number;
  readonly cpus?: number;
  /** The items of the guest kernel's /proc/vmstat; those of a 6.x kernel by default. */
  readonly vmstatItems?: readonly string[];
  /** The guest's condition; "well" by default. A condition changes numbers only; it adds or removes no lines. */
  readonly condition?: GuestConditionName;
}

/** The two parts of a page, each in the order in which a real shim writes it. */
export interface PageFamilies {
  readonly shim: readonly FamilyShape[];
  readonly agent: readonly FamilyShape[];
}

const MIB = 1_048_576;
/** When simulated processes started, in Unix seconds. */
const START_SECONDS = 1_787_400_000;
const SHIM_INTERFACES = ["lo", "eth0", "tap0_kata", "tunl0", "sit0", "ip6tnl0"];

/** Makes a family of one number. */
function single(
  name: string,
  help: string,
  motion: Motion,
  type: "gauge" | "counter" = "gauge",
): FamilyShape {
  return familyOf({ name, type, help }, [{ labels: [], motion }]);
}

/** Makes a gauge with a number per item. */
function items(
  name: string,
  help: string,
  { names, motion }: { names: readonly string[]; motion: (item: string) => Motion },
): FamilyShape {
  const rows = names.map((item) => ({ labels: [["item", item]] as const, motion: motion(item) }));
  return familyOf({ name, type: "gauge", help }, rows);
}

interface Grid {
  /** The label that tells the things in `of` apart, such as "disk". */
  readonly label: string;
  readonly of: readonly string[];
  readonly names: readonly string[];
  readonly motion: (item: string, of: string) => Motion;
}

/** Makes a gauge with a number per item of each thing. */
function grid(name: string, help: string, { label, of, names, motion }: Grid): FamilyShape {
  const rows = of.flatMap((thing) =>
    names.map((item): Row => {
      const labels: LabelPairs = [
        [label, thing],
        ["item", item],
      ];
      return { labels, motion: motion(item, thing) };
    }),
  );
  return familyOf({ name, type: "gauge", help }, rows);
}

/**
 * Makes the families of a process on the node: the shim itself, its hypervisor or virtiofsd. If a guest runs in the
 * process, `guest` has the resources that this guest uses.
 */
function processFamilies(
  prefix: string,
  what: string,
  { flavor, guest }: { flavor: "go" | "rs"; guest?: GuestUse | undefined },
): FamilyShape[] {
  const go = flavor === "go";
  return [
    single(`${prefix}_fds`, `Files that ${what} has open.`, gauge({ around: 60 })),
    items(`${prefix}_io_stat`, `Input and output of ${what}.`, {
      names: go ? IO_ITEMS_GO : IO_ITEMS_RS,
      motion: ioMotion(guest),
    }),
    items(`${prefix}_proc_stat`, `CPU time of ${what} in clock ticks.`, {
      names: PROC_STAT_ITEMS,
      motion: procStatMotion(guest),
    }),
    items(`${prefix}_proc_status`, `Memory of ${what}, and how often it was switched.`, {
      names: go ? PROC_STATUS_ITEMS_GO : PROC_STATUS_ITEMS,
      motion: procStatusMotion(go ? "bytes" : "KiB", guest),
    }),
    single(`${prefix}_threads`, `Threads of ${what}.`, gauge({ around: 14 })),
  ];
}

/** Makes the Go shim's own part, sorted by name like the shim's registry. */
export function goShimFamilies({
  shimInterfaces = 6,
  cpus = 1,
  condition = "well",
}: PageSizes): FamilyShape[] {
  const guest = guestUse(condition, cpus);
  return [
    ...goRuntimeFamilies(),
    ...goProcessFamilies(),
    ...processFamilies("kata_hypervisor", "the hypervisor", { flavor: "go", guest }),
    ...processFamilies("kata_shim", "the shim", { flavor: "go" }),
    ...processFamilies("kata_virtiofsd", "virtiofsd", { flavor: "go" }),
    grid("kata_hypervisor_netdev", "Network devices of the hypervisor.", {
      label: "interface",
      of: SHIM_INTERFACES.slice(0, shimInterfaces),
      names: NETDEV_ITEMS,
      motion: netdevMotion,
    }),
    histogramOf(
      {
        name: "kata_shim_agent_rpc_durations_histogram_milliseconds",
        help: "How long the agent took to answer.",
      },
      AGENT_RPC_ACTIONS,
    ),
    histogramOf(
      { name: "kata_shim_rpc_durations_histogram_milliseconds", help: "How long the shim took to answer." },
      RPC_ACTIONS,
    ),
    single(
      "kata_shim_pod_overhead_cpu",
      "CPU that the pod takes beside its containers, in percent.",
      gauge({ around: 0.75, quantum: 1 / 128 }),
    ),
    single(
      "kata_shim_pod_overhead_memory_in_bytes",
      "Memory that the pod takes beside its containers.",
      gauge({ around: 112 * MIB, quantum: 4_096 }),
    ),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function goRuntimeFamilies(): FamilyShape[] {
  const memstats = GO_MEMSTATS.map((name) => {
    const help = `The Go runtime's ${name.replaceAll("_", " ")}.`;
    return name.endsWith("_total")
      ? single(`go_memstats_${name}`, help, counter({ start: 3e6, growth: 9_000 }), "counter")
      : single(`go_memstats_${name}`, help, memstatMotion(name));
  });
  return [
    goPauses(),
    single("go_gc_gogc_percent", "Growth of the heap at which the Go runtime collects.", fixed(100)),
    single("go_gc_gomemlimit_bytes", "Memory that the Go runtime may take.", fixed(2 ** 63)),
    single("go_goroutines", "Goroutines that exist.", gauge({ around: 29 })),
    familyOf({ name: "go_info", type: "gauge", help: "The Go that built the shim." }, [
      { labels: [["version", "go1.26.7"]], motion: fixed(1) },
    ]),
    ...memstats,
    single("go_sched_gomaxprocs_threads", "Threads that may run Go code at once.", fixed(4)),
    single("go_threads", "Threads that the Go runtime has made.", gauge({ around: 17 })),
  ];
}

function memstatMotion(name: string): Motion {
  if (name.startsWith("last_gc")) return counter({ from: START_SECONDS, growth: 30, parts: 1e6 });
  if (name.startsWith("mcache")) return gauge({ around: 9_600, quantum: 8 });
  return gauge({ around: name === "heap_objects" ? 18_000 : 5 * MIB, quantum: 8 });
}

function goPauses(): FamilyShape {
  const quantiles = ["0", "0.25", "0.5", "0.75", "1"].map((quantile, index): Row => {
    const motion = gauge({ around: 3e-5 * 2 ** index, quantum: 1e-9 });
    return { labels: [["quantile", quantile]], motion };
  });
  return familyOf(
    { name: "go_gc_duration_seconds", type: "summary", help: "Pauses of the Go runtime while it collects." },
    [
      ...quantiles,
      { suffix: "_sum", labels: [], motion: counter({ start: 0.002, growth: 0.0001, parts: 1e9 }) },
      { suffix: "_count", labels: [], motion: counter({ start: 50, growth: 0.5 }) },
    ],
  );
}

function goProcessFamilies(): FamilyShape[] {
  const network = counter({ start: 4e8, growth: 60_000 });
  return [
    single(
      "process_cpu_seconds_total",
      "CPU time of the process.",
      counter({ start: 20, growth: 0.05, parts: 100 }),
      "counter",
    ),
    single("process_max_fds", "Files that the process may have open.", fixed(1_048_576)),
    single("process_network_receive_bytes_total", "Bytes that its network received.", network, "counter"),
    single("process_network_transmit_bytes_total", "Bytes that its network sent.", network, "counter"),
    single("process_open_fds", "Files that the process has open.", gauge({ around: 12 })),
    single(
      "process_resident_memory_bytes",
      "Resident memory of the process.",
      gauge({ around: 47 * MIB, quantum: 4_096 }),
    ),
    single(
      "process_start_time_seconds",
      "When the process began, in seconds since 1970.",
      fixed(START_SECONDS + 0.71),
    ),
    single(
      "process_virtual_memory_bytes",
      "Virtual memory of the process.",
      gauge({ around: 1_780 * MIB, quantum: 4_096 }),
    ),
    single("process_virtual_memory_max_bytes", "Virtual memory that the process may take.", fixed(2 ** 64)),
  ];
}

const VCPU_ITEMS = "exit_io_in exit_io_out exit_mmio_read exit_mmio_write failures filter_cpuid".split(" ");

/** Makes the own part of a runtime-rs shim. Only with Dragonball does it have families of the hypervisor. */
export function rsShimFamilies(
  { cpus = 1, condition = "well" }: PageSizes,
  hypervisor: string,
): FamilyShape[] {
  // Dragonball runs in the shim's process.
  const guest = hypervisor === "dragonball" ? guestUse(condition, cpus) : undefined;
  const shim = processFamilies("kata_shim", "the shim", { flavor: "rs", guest });
  if (hypervisor !== "dragonball") return shim;
  return [
    single("kata_hypervisor_scrape_count", "How often the hypervisor was asked.", EVERY_TIME, "counter"),
    items("kata_hypervisor_seccomp", "System calls that were refused.", {
      names: ["num_faults"],
      motion: () => SELDOM,
    }),
    items("kata_hypervisor_signals", "Signals that were caught.", {
      names: ["sigbus", "sigsegv"],
      motion: () => RARELY,
    }),
    grid("kata_hypervisor_vcpu", "Exits of the virtual CPUs.", {
      label: "cpu_id",
      of: numbered("", cpus),
      names: VCPU_ITEMS,
      motion: (item) => (item.startsWith("exit") ? counter({ start: 9_000, growth: 40 }) : RARELY),
    }),
    ...shim,
  ];
}

/** Makes the part of the guest's agent, which is the same for all shims, sorted by name like that agent's registry. */
export function agentFamilies({
  disks = 26,
  guestInterfaces = 2,
  cpus = 1,
  vmstatItems = VMSTAT_ITEMS,
  condition = "well",
}: PageSizes): FamilyShape[] {
  const { cpuShares, disk, load, meminfo, vmstat } = guestCondition(condition);
  const diskNames = ["vda", ...numbered("ram", 16), ...numbered("loop", Math.max(0, disks - 17))];
  return [
    ...agentProcessFamilies(),
    cpuTimeFamily(numbered("", cpus), cpuShares),
    diskFamily(diskNames.slice(0, disks), disk),
    filesystem("kata_guest_filesystem_bytes", "Room on the guest's file systems.", 40_960 * MIB),
    filesystem("kata_guest_filesystem_inodes", "Inodes of the guest's file systems.", 2_621_440),
    items("kata_guest_load", "Load of the guest.", {
      names: ["load1", "load15", "load5"],
      motion: () => loadMotion(load),
    }),
    items("kata_guest_meminfo", "Memory of the guest.", {
      names: MEMINFO_ITEMS,
      motion: (item) => meminfo[item] ?? meminfoMotion(item),
    }),
    grid("kata_guest_netdev_stat", "Network devices of the guest.", {
      label: "interface",
      of: ["eth0", "lo", ...numbered("eth", guestInterfaces, 1)].slice(0, guestInterfaces),
      names: NETDEV_ITEMS,
      motion: netdevMotion,
    }),
    items("kata_guest_tasks", "Tasks of the guest.", {
      names: ["cur", "max"],
      motion: (item) => gauge({ around: item === "cur" ? 4 : 78 }),
    }),
    items("kata_guest_vm_stat", "Virtual memory of the guest.", {
      names: vmstatItems,
      motion: (item) => vmstat[item] ?? vmstatMotion(item),
    }),
  ];
}

function agentProcessFamilies(): FamilyShape[] {
  const total = counter({ start: 1, growth: 0.02, parts: 100 });
  return [
    items("kata_agent_io_stat", "Input and output of the agent.", {
      names: IO_ITEMS_RS,
      motion: ioMotion(undefined),
    }),
    items("kata_agent_proc_stat", "CPU time of the agent in clock ticks.", {
      names: PROC_STAT_ITEMS,
      motion: procStatMotion(undefined),
    }),
    items("kata_agent_proc_status", "Memory of the agent, and how often it was switched.", {
      names: PROC_STATUS_ITEMS,
      motion: procStatusMotion("KiB", undefined),
    }),
    single("kata_agent_scrape_count", "How often the agent was asked.", EVERY_TIME, "counter"),
    single("kata_agent_threads", "Threads of the agent.", gauge({ around: 12 })),
    single(
      "kata_agent_total_rss",
      "Resident memory of the agent.",
      gauge({ around: 3 * MIB, quantum: 4_096 }),
    ),
    single("kata_agent_total_time", "CPU time of the agent in seconds.", total),
    single(
      "kata_agent_total_vm",
      "Virtual memory of the agent.",
      gauge({ around: 72 * MIB, quantum: 4_096 }),
    ),
  ];
}

/**
 * Makes a load average, which has two decimals in the kernel and passes through a 32-bit float in the guest's agent.
 */
function loadMotion(load: number): Motion {
  const draw = (random: () => number): number => Math.fround(Math.floor((0.5 + random()) * load * 100) / 100);
  return { first: draw, next: (_value, random) => draw(random) };
}

function filesystem(name: string, help: string, total: number): FamilyShape {
  const rows = ["available", "total", "used"].map((item): Row => {
    const labels: LabelPairs = [
      ["device", "vda1"],
      ["item", item],
      ["mount", "/"],
    ];
    return { labels, motion: filesystemMotion(item, total) };
  });
  return familyOf({ name, type: "gauge", help }, rows);
}

function numbered(prefix: string, count: number, first = 0): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${first + index}`);
}
