import {
  AGENT_RPC_ACTIONS,
  CPU_ITEMS,
  DISK_ITEMS,
  GO_MEMSTATS,
  IO_ITEMS_GO,
  IO_ITEMS_RS,
  MEMINFO_ITEMS,
  NETDEV_ITEMS,
  PROC_STAT_ITEMS,
  PROC_STATUS_ITEMS,
  PROC_STATUS_ITEMS_GO,
  PROCESS_METRICS,
  RPC_ACTIONS,
  VMSTAT_ITEMS,
} from "./catalogue.ts";
import {
  type BlockOptions,
  createBlock,
  type FamilyBlock,
  type LabelPairs,
  type NumberStyle,
} from "./family_block.ts";
import { seededRandom, shuffled } from "./random.ts";

export interface PageOptions {
  readonly flavor: NumberStyle;
  readonly seed: number;
  /** Guests of Kata's own image show up to 26: one disk, and RAM and loop devices. */
  readonly disks?: number;
  readonly guestInterfaces?: number;
  readonly hostInterfaces?: number;
  readonly cpus?: number;
}

/** A simulated shim's page. With the default sizes a Go page has 1,261 samples in 75 families, 84 KB. */
export interface SimulatedPage {
  readonly samples: number;
  /** The text of the next scrape: some numbers have moved, and a Go shim's agent blocks stand in another order. */
  render(): Buffer;
  /** The shim's own part, as served while the guest agent does not answer. */
  renderWithoutAgent(): Buffer;
}

/** Of a page's blocks, one in this many moves its numbers per scrape: rendering all of them would be the peer's load. */
const MOVING_SHARE = 8;
const BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

export function createPage(options: PageOptions): SimulatedPage {
  const random = seededRandom(options.seed);
  const { shim, agent } = options.flavor === "go" ? goFamilies(options, random) : rsFamilies(options, random);
  const all = [...shim, ...agent];
  let scrape = 0;
  const move = (): void => {
    scrape++;
    for (const [index, block] of all.entries()) {
      if ((index + scrape) % MOVING_SHARE === 0 || block.name.endsWith("scrape_count")) block.step();
    }
  };
  const bytes = (blocks: readonly FamilyBlock[]): Buffer =>
    Buffer.concat(blocks.map((block) => block.bytes()));
  return {
    samples: all.reduce((sum, block) => sum + block.samples, 0),
    render() {
      move();
      // The Go shim's own families are sorted; those of the agent go through a Go map. runtime-rs puts the agent first.
      return options.flavor === "go"
        ? bytes([...shim, ...shuffled(agent, random)])
        : bytes([...agent, ...shim]);
    },
    renderWithoutAgent() {
      move();
      return bytes(shim);
    },
  };
}

interface Families {
  readonly shim: readonly FamilyBlock[];
  readonly agent: readonly FamilyBlock[];
}

/** Makes blocks of one number style whose first numbers come from `random`. */
class BlockMaker {
  readonly #style: NumberStyle;
  readonly #random: () => number;

  constructor(style: NumberStyle, random: () => number) {
    this.#style = style;
    this.#random = random;
  }

  block(options: Omit<BlockOptions, "style">): FamilyBlock {
    return createBlock({ ...options, style: this.#style });
  }

  /** A family of one number without labels. */
  single(
    name: string,
    help: string,
    number: { value?: number; step?: number; counter?: boolean } = {},
  ): FamilyBlock {
    const { value = this.#number(), step = 1, counter = false } = number;
    return this.block({
      name,
      help,
      type: counter ? "counter" : "gauge",
      rows: [{ labels: [], value, step }],
    });
  }

  /** A family with a number per item, for each of `sets` of other labels. */
  items(
    name: string,
    help: string,
    lists: { items: readonly string[]; sets?: readonly LabelPairs[] },
  ): FamilyBlock {
    const { items, sets = [[]] } = lists;
    const rows = sets.flatMap((labels) =>
      items.map((item) => ({
        labels: [...labels, ["item", item] as const],
        value: this.#number(),
        step: this.#step(),
      })),
    );
    return this.block({ name, help, type: "gauge", rows });
  }

  histogram(name: string, help: string, actions: readonly string[]): FamilyBlock {
    const rows = actions.flatMap((action) => {
      let count = 0;
      const buckets = BUCKETS.map((bound) => {
        count += Math.floor(this.#random() * 9);
        return {
          suffix: "_bucket",
          labels: [
            ["action", action],
            ["le", String(bound)],
          ] as const,
          value: count,
          step: 1,
        };
      });
      const labels = [["action", action]] as const;
      return [
        ...buckets,
        { suffix: "_bucket", labels: [...labels, ["le", "+Inf"] as const], value: count + 1, step: 1 },
        { suffix: "_sum", labels, value: count * 3.5, step: 2.25 },
        { suffix: "_count", labels, value: count + 1, step: 1 },
      ];
    });
    return this.block({ name, help, type: "histogram", rows });
  }

  #number(): number {
    const kind = this.#random();
    if (kind < 0.4) return 0;
    return Math.floor(this.#random() * (kind < 0.6 ? 100 : 1e8));
  }

  #step(): number {
    return this.#random() < 0.4 ? 0 : Math.floor(this.#random() * 5_000);
  }
}

/** The families of a process that a shim watches: itself, its hypervisor or virtiofsd. */
function processFamilies(
  make: BlockMaker,
  prefix: string,
  items: { status: readonly string[]; io: readonly string[] },
): FamilyBlock[] {
  return [
    make.single(`${prefix}_fds`, "Open file descriptors.", { value: 60, step: 0 }),
    make.items(`${prefix}_io_stat`, "I/O of the process.", { items: items.io }),
    make.items(`${prefix}_proc_stat`, "CPU time of the process in ticks.", { items: PROC_STAT_ITEMS }),
    make.items(`${prefix}_proc_status`, "Memory of the process.", { items: items.status }),
    make.single(`${prefix}_threads`, "Threads of the process.", { value: 14, step: 0 }),
  ];
}

function goFamilies(options: PageOptions, random: () => number): Families {
  const make = new BlockMaker("go", random);
  const hostInterfaces = ["lo", "eth0", "tap0_kata", "tunl0", "sit0", "ip6tnl0"].slice(
    0,
    options.hostInterfaces ?? 6,
  );
  const items = { status: PROC_STATUS_ITEMS_GO, io: IO_ITEMS_GO };
  const counterOrGauge = (prefix: string, name: string): FamilyBlock =>
    make.single(`${prefix}${name}`, `The runtime's ${name.replaceAll("_", " ")}.`, {
      counter: name.endsWith("_total"),
      step: 37,
    });
  const shim = [
    goPauses(make),
    make.single("go_gc_gogc_percent", "Target percentage of the collector.", { value: 100, step: 0 }),
    make.single("go_gc_gomemlimit_bytes", "Memory limit of the runtime.", {
      value: 2 ** 63,
      step: 0,
    }),
    make.single("go_goroutines", "Goroutines that exist.", { value: 29, step: 0 }),
    make.block({
      name: "go_info",
      type: "gauge",
      help: "The Go environment.",
      rows: [{ labels: [["version", "go1.26.7"]], value: 1, step: 0 }],
    }),
    ...GO_MEMSTATS.map((name) => counterOrGauge("go_memstats_", name)),
    make.single("go_sched_gomaxprocs_threads", "Threads that may run Go code at once.", {
      value: 4,
      step: 0,
    }),
    make.single("go_threads", "OS threads created.", { value: 17, step: 0 }),
    ...processFamilies(make, "kata_hypervisor", items),
    make.items("kata_hypervisor_netdev", "Network devices of the hypervisor.", {
      items: NETDEV_ITEMS,
      sets: hostInterfaces.map((name) => [["interface", name]] as const),
    }),
    make.histogram(
      "kata_shim_agent_rpc_durations_histogram_milliseconds",
      "Durations of calls to the agent.",
      AGENT_RPC_ACTIONS,
    ),
    make.single("kata_shim_pod_overhead_cpu", "CPU that the sandbox takes beside its containers.", {
      value: 0.77,
      step: 0.01,
    }),
    make.single(
      "kata_shim_pod_overhead_memory_in_bytes",
      "Memory that the sandbox takes beside its containers.",
      { value: 117354496, step: 4096 },
    ),
    ...processFamilies(make, "kata_shim", items),
    make.histogram(
      "kata_shim_rpc_durations_histogram_milliseconds",
      "Durations of calls to the shim.",
      RPC_ACTIONS,
    ),
    ...processFamilies(make, "kata_virtiofsd", items),
    ...PROCESS_METRICS.map((name) => counterOrGauge("process_", name)),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { shim, agent: agentFamilies(options, make) };
}

function goPauses(make: BlockMaker): FamilyBlock {
  const quantiles = ["0", "0.25", "0.5", "0.75", "1"].map((quantile, index) => {
    return { labels: [["quantile", quantile]] as const, value: 3.7e-5 * (index + 1), step: 0 };
  });
  const rows = [
    ...quantiles,
    { suffix: "_sum", labels: [], value: 0.00229451, step: 0.000041 },
    { suffix: "_count", labels: [], value: 51, step: 1 },
  ];
  return make.block({
    name: "go_gc_duration_seconds",
    type: "summary",
    help: "Pauses of the garbage collector.",
    rows,
  });
}

function rsFamilies(options: PageOptions, random: () => number): Families {
  const make = new BlockMaker("rs", random);
  const cpus = Array.from({ length: options.cpus ?? 1 }, (_, cpu) => [["cpu_id", String(cpu)]] as const);
  const exits = "exit_io_in exit_io_out exit_mmio_read exit_mmio_write failures filter_cpuid".split(" ");
  const shim = [
    make.single("kata_hypervisor_scrape_count", "Scrapes of the hypervisor.", { counter: true, value: 1 }),
    make.items("kata_hypervisor_seccomp", "Faults of the seccomp filter.", { items: ["num_faults"] }),
    make.items("kata_hypervisor_signals", "Signals that were caught.", { items: ["sigbus", "sigsegv"] }),
    make.items("kata_hypervisor_vcpu", "Exits of the virtual CPUs.", { items: exits, sets: cpus }),
    ...processFamilies(make, "kata_shim", { status: PROC_STATUS_ITEMS, io: IO_ITEMS_RS }),
  ];
  return { shim, agent: agentFamilies({ ...options, disks: options.disks ?? 2 }, make) };
}

/** What the agent in the guest serves, whatever the shim. */
function agentFamilies(options: PageOptions, make: BlockMaker): FamilyBlock[] {
  const { disks = 26, guestInterfaces = 2, cpus = 1 } = options;
  const diskNames = ["vda", ...numbered("ram", 16), ...numbered("loop", 40)].slice(0, disks);
  const interfaces = ["eth0", "lo", ...numbered("eth", 8, 1)].slice(0, guestInterfaces);
  const cpuNames = [...numbered("", cpus), "total"];
  const sets = (key: string, names: readonly string[]): LabelPairs[] =>
    names.map((name) => [[key, name]] as const);
  const root = [
    ["mount", "/"],
    ["device", "vda1"],
  ] as const;
  return [
    make.items("kata_agent_io_stat", "I/O of the agent.", { items: IO_ITEMS_RS }),
    make.items("kata_agent_proc_stat", "CPU time of the agent in ticks.", { items: PROC_STAT_ITEMS }),
    make.items("kata_agent_proc_status", "Memory of the agent.", { items: PROC_STATUS_ITEMS }),
    make.single("kata_agent_scrape_count", "Scrapes of the agent.", { counter: true, value: 1 }),
    make.single("kata_agent_threads", "Threads of the agent.", { value: 12, step: 0 }),
    make.single("kata_agent_total_rss", "Resident memory of the agent.", { value: 2990080, step: 4096 }),
    make.single("kata_agent_total_time", "CPU time of the agent in seconds.", { value: 0.34, step: 0.01 }),
    make.single("kata_agent_total_vm", "Virtual memory of the agent.", { value: 20017152, step: 0 }),
    make.items("kata_guest_cpu_time", "CPU time of the guest in milliseconds.", {
      items: CPU_ITEMS,
      sets: sets("cpu", cpuNames),
    }),
    make.items("kata_guest_diskstat", "Disks of the guest.", {
      items: DISK_ITEMS,
      sets: sets("disk", diskNames),
    }),
    make.items("kata_guest_filesystem_bytes", "Space of the guest's file systems.", {
      items: ["available", "total", "used"],
      sets: [root],
    }),
    make.items("kata_guest_filesystem_inodes", "Inodes of the guest's file systems.", {
      items: ["available", "total", "used"],
      sets: [root],
    }),
    make.items("kata_guest_load", "Load of the guest.", { items: ["load1", "load15", "load5"] }),
    make.items("kata_guest_meminfo", "Memory of the guest.", { items: MEMINFO_ITEMS }),
    make.items("kata_guest_netdev_stat", "Network devices of the guest.", {
      items: NETDEV_ITEMS,
      sets: sets("interface", interfaces),
    }),
    make.items("kata_guest_tasks", "Tasks of the guest.", { items: ["cur", "max"] }),
    make.items("kata_guest_vm_stat", "Virtual memory of the guest.", { items: VMSTAT_ITEMS }),
  ];
}

function numbered(prefix: string, count: number, first = 0): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${first + index}`);
}
