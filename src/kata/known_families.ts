// SPDX-License-Identifier: Apache-2.0
import type { Kind } from "../metrics/model.ts";

/** The program that made a page. It decides which families the shim's part of the page can have. */
export type ShimKind = "go" | "rs" | "rs-dragonball";

/** A family that Kata Containers 4.1 serves. */
export interface KnownFamily {
  /** The kind in the shim's TYPE line. It is wrong for most families that count. */
  readonly kind: Kind;
  /** The labels of the family's samples, without `le` and `quantile`. */
  readonly labels: readonly string[];
  /** The shims that have the family in their own part of the page; empty for families of the guest. */
  readonly shims: readonly ShimKind[];
  readonly help: string;
}

/**
 * One line for each family: name on a shim's page, kind, labels, shims, HELP. If a family's numbers have another unit
 * than its name says, or if they are counts although its kind is gauge, the HELP says so.
 */
const TABLE = `
kata_agent_io_stat gauge item - Input and output of the guest agent since it began, in bytes and calls.
kata_agent_proc_stat gauge item - CPU time of the guest agent since it began, in hundredths of a second.
kata_agent_proc_status gauge item - Memory of the guest agent in KiB, and its context switches.
kata_agent_scrape_count sum - - Scrapes that the guest agent has answered.
kata_agent_threads gauge - - Threads of the guest agent.
kata_agent_total_rss gauge - - Resident memory of the guest agent in bytes.
kata_agent_total_time gauge - - CPU time of the guest agent since it began, in seconds.
kata_agent_total_vm gauge - - Virtual memory of the guest agent in bytes.
kata_guest_cpu_time gauge cpu,item - CPU time of the guest since it booted, by CPU and state, in milliseconds; cpu="total" is the sum.
kata_guest_diskstat gauge disk,item - Work of the guest's disks since it booted: operations, sectors of 512 bytes, milliseconds.
kata_guest_filesystem_bytes gauge device,item,mount - Size and use of the guest's file systems in bytes.
kata_guest_filesystem_inodes gauge device,item,mount - Number and use of the inodes of the guest's file systems.
kata_guest_load gauge item - Load averages of the guest.
kata_guest_meminfo gauge item - Memory of the guest in bytes; items of huge pages count pages.
kata_guest_netdev_stat gauge interface,item - Traffic of the guest's network interfaces since it booted: bytes, packets, errors.
kata_guest_tasks gauge item - Tasks of the guest: those that run now, and all that there are.
kata_guest_vm_stat gauge item - Events and states of the guest's virtual memory, in events and pages.
kata_firecracker_api_server gauge item go Requests to Firecracker's API server and the time for its start.
kata_firecracker_block gauge item go Work and faults of Firecracker's block devices.
kata_firecracker_get_api_requests gauge item go GET requests to Firecracker's API.
kata_firecracker_i8042 gauge item go Events and faults of Firecracker's keyboard controller.
kata_firecracker_latencies_us gauge item go Time that operations of Firecracker took, in microseconds.
kata_firecracker_logger gauge item go Log lines and metrics that Firecracker missed.
kata_firecracker_mmds gauge item go Traffic of Firecracker's metadata service.
kata_firecracker_net gauge item go Traffic and faults of Firecracker's network devices.
kata_firecracker_patch_api_requests gauge item go PATCH requests to Firecracker's API.
kata_firecracker_put_api_requests gauge item go PUT requests to Firecracker's API.
kata_firecracker_rtc gauge item go Faults of Firecracker's real-time clock.
kata_firecracker_seccomp gauge item go Faults of Firecracker's system call filter.
kata_firecracker_signals gauge item go Signals that Firecracker got.
kata_firecracker_uart gauge item go Traffic and faults of Firecracker's serial console.
kata_firecracker_vcpu gauge item go Exits of Firecracker's virtual CPUs.
kata_firecracker_vmm gauge item go Events and faults of Firecracker's virtual machine monitor.
kata_firecracker_vsock gauge item go Traffic and faults of Firecracker's vsock device.
kata_hypervisor_fds gauge - go Open file descriptors of the hypervisor.
kata_hypervisor_io_stat gauge item go Input and output of the hypervisor since it began, in bytes and calls.
kata_hypervisor_netdev gauge interface,item go Traffic of the interfaces in the hypervisor's network namespace: bytes, packets, errors.
kata_hypervisor_proc_stat gauge item go CPU time of the hypervisor since it began, in hundredths of a second.
kata_hypervisor_proc_status gauge item go Memory of the hypervisor in bytes, and its context switches.
kata_hypervisor_scrape_count sum - rs-dragonball Scrapes that the hypervisor has answered.
kata_hypervisor_seccomp gauge item rs-dragonball Faults of the hypervisor's system call filter.
kata_hypervisor_signals gauge item rs-dragonball Signals that the hypervisor got.
kata_hypervisor_threads gauge - go Threads of the hypervisor.
kata_hypervisor_vcpu gauge cpu_id,item rs-dragonball Exits of the hypervisor's virtual CPUs.
kata_shim_agent_rpc_durations_histogram_milliseconds histogram action go Time that calls to the guest agent took, in milliseconds.
kata_shim_fds gauge - go,rs,rs-dragonball Open file descriptors of the shim.
kata_shim_io_stat gauge item go,rs,rs-dragonball Input and output of the shim since it began, in bytes and calls.
kata_shim_pod_overhead_cpu gauge - go CPU time that the pod takes on the host beyond the guest's own, in percent of one CPU.
kata_shim_pod_overhead_memory_in_bytes gauge - go Memory that the pod takes on the host beyond the guest's own, in bytes.
kata_shim_proc_stat gauge item go,rs,rs-dragonball CPU time of the shim since it began, in hundredths of a second.
kata_shim_proc_status gauge item go,rs,rs-dragonball Memory of the shim, in bytes from the Go shim and KiB from runtime-rs, and its context switches.
kata_shim_rpc_durations_histogram_milliseconds histogram action go Time that the runtime's calls to the shim took, in milliseconds.
kata_shim_threads gauge - go,rs,rs-dragonball Threads of the shim.
kata_virtiofsd_fds gauge - go Open file descriptors of virtiofsd.
kata_virtiofsd_io_stat gauge item go Input and output of virtiofsd since it began, in bytes and calls.
kata_virtiofsd_proc_stat gauge item go CPU time of virtiofsd since it began, in hundredths of a second.
kata_virtiofsd_proc_status gauge item go Memory of virtiofsd in bytes, and its context switches.
kata_virtiofsd_threads gauge - go Threads of virtiofsd.
go_gc_duration_seconds summary - go Pauses of the shim for garbage collection, in seconds.
go_gc_gogc_percent gauge - go Growth of the shim's heap at which garbage is collected, in percent.
go_gc_gomemlimit_bytes gauge - go Memory that the shim's Go runtime is told to stay below, in bytes.
go_goroutines gauge - go Goroutines of the shim.
go_info gauge version go The version of Go that the shim was built with.
go_memstats_alloc_bytes gauge - go Memory of live objects on the shim's heap, in bytes.
go_memstats_alloc_bytes_total sum - go Memory of all objects that the shim has made, in bytes.
go_memstats_buck_hash_sys_bytes gauge - go Memory of the shim's profiler, in bytes.
go_memstats_frees_total sum - go Objects that the shim has freed.
go_memstats_gc_sys_bytes gauge - go Memory of the shim's garbage collector, in bytes.
go_memstats_heap_alloc_bytes gauge - go Memory of live objects on the shim's heap, in bytes.
go_memstats_heap_idle_bytes gauge - go Memory of the shim's heap that holds nothing, in bytes.
go_memstats_heap_inuse_bytes gauge - go Memory of the shim's heap that holds something, in bytes.
go_memstats_heap_objects gauge - go Live objects on the shim's heap.
go_memstats_heap_released_bytes gauge - go Memory of the shim's heap that went back to the system, in bytes.
go_memstats_heap_sys_bytes gauge - go Memory that the shim's heap has from the system, in bytes.
go_memstats_last_gc_time_seconds gauge - go Unix time of the shim's last garbage collection.
go_memstats_mallocs_total sum - go Objects that the shim has made.
go_memstats_mcache_inuse_bytes gauge - go Memory of the shim's mcache structures in use, in bytes.
go_memstats_mcache_sys_bytes gauge - go Memory of the shim's mcache structures, in bytes.
go_memstats_mspan_inuse_bytes gauge - go Memory of the shim's mspan structures in use, in bytes.
go_memstats_mspan_sys_bytes gauge - go Memory of the shim's mspan structures, in bytes.
go_memstats_next_gc_bytes gauge - go Size of the shim's heap at which garbage is collected next, in bytes.
go_memstats_other_sys_bytes gauge - go Memory of the shim's Go runtime for other things, in bytes.
go_memstats_stack_inuse_bytes gauge - go Memory of the shim's stacks in use, in bytes.
go_memstats_stack_sys_bytes gauge - go Memory of the shim's stacks, in bytes.
go_memstats_sys_bytes gauge - go Memory that the shim's Go runtime has from the system, in bytes.
go_sched_gomaxprocs_threads gauge - go Threads in which the shim runs Go code at one time.
go_threads gauge - go Threads that the shim's Go runtime has made.
process_cpu_seconds_total sum - go CPU time of the shim since it began, in seconds.
process_max_fds gauge - go File descriptors that the shim may have open.
process_network_receive_bytes_total sum - go Bytes received in the shim's network namespace, which is the node's.
process_network_transmit_bytes_total sum - go Bytes sent in the shim's network namespace, which is the node's.
process_open_fds gauge - go Open file descriptors of the shim.
process_resident_memory_bytes gauge - go Resident memory of the shim in bytes.
process_start_time_seconds gauge - go Unix time at which the shim began.
process_virtual_memory_bytes gauge - go Virtual memory of the shim in bytes.
process_virtual_memory_max_bytes gauge - go Virtual memory that the shim may have, in bytes.
`;

const LINE = /^(\S+) (gauge|sum|histogram|summary) (\S+) (\S+) (.+)$/gm;

/** The families by their names on a shim's page. */
export const KNOWN_FAMILIES: ReadonlyMap<string, KnownFamily> = new Map(
  [...TABLE.matchAll(LINE)].map(([, name = "", kind, labels = "", shims = "", help = ""]) => [
    name,
    { kind: kind as Kind, labels: parts(labels), shims: parts(shims) as ShimKind[], help },
  ]),
);

const GUEST_PREFIXES = ["kata_guest_", "kata_agent_"];

/** Whether the guest writes the family. All others are written by the shim or the agent. */
export function isGuestFamily(name: string): boolean {
  return GUEST_PREFIXES.some((prefix) => name.startsWith(prefix));
}

function parts(list: string): string[] {
  return list === "-" ? [] : list.split(",");
}
