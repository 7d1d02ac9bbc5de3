// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasProgram, peerIsThere } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { startPrometheus } from "../kit/prometheus.ts";
import { startMonitoredNode } from "./monitor.ts";

const SCRAPES = "kata_monitor_scrape_durations_histogram_milliseconds";
const RPC = "kata_shim_rpc_durations_histogram_milliseconds";
const AGENT_RPC = "kata_shim_agent_rpc_durations_histogram_milliseconds";
const quantile = (q: number, name: string, labels = ""): string =>
  `histogram_quantile(${q}, sum(rate(${name}_bucket${labels}[5m])) by (action,le))`;
const mean = (name: string, labels = ""): string =>
  `rate(${name}_sum${labels}[5m])/rate(${name}_count${labels}[5m])`;
const GET_METRICS = '{action="grpc.GetMetricsRequest"}';

/** The queries of the panels of Kata's public Grafana dashboard. */
const QUERIES: readonly string[] = [
  "rate(kata_monitor_scrape_count[5m])*60",
  "kata_monitor_scrape_failed_count",
  "kata_monitor_running_shim_count",
  quantile(0.99, SCRAPES),
  mean(SCRAPES),
  "kata_monitor_process_open_fds",
  "kata_monitor_process_resident_memory_bytes",
  quantile(0.99, RPC),
  ...[0.99, 0.95, 0.9].map((q) => quantile(q, AGENT_RPC)),
  quantile(0.99, AGENT_RPC, '{action=~"grpc.GetMetricsRequest|grpc.CreateContainerRequest"}'),
  ...[0.99, 0.95, 0.9].map((q) => quantile(q, AGENT_RPC, GET_METRICS)),
  mean(AGENT_RPC, GET_METRICS),
  "kata_shim_go_goroutines",
  'kata_shim_proc_status{item="vmrss"}',
  'irate(kata_shim_io_stat{item="rchar"}[5m])',
  'irate(kata_shim_io_stat{item="wchar"}[5m])',
  "kata_shim_fds",
  "kata_shim_proc_status",
  mean("kata_shim_go_gc_duration_seconds"),
  "kata_agent_proc_status",
  "kata_agent_proc_stat",
  "kata_hypervisor_fds",
  'kata_hypervisor_proc_status{item="vmrss"}',
  'kata_hypervisor_io_stat{item="wchar"}',
  'kata_hypervisor_io_stat{item="rchar"}',
  "kata_hypervisor_netdev",
  "kata_hypervisor_proc_stat",
  "kata_guest_load",
  ...["mem_total", "mem_free", "mem_available"].map((item) => `kata_guest_meminfo{item="${item}"}`),
  ...["sent_bytes", "recv_bytes", "sent_errs", "recv_errs", "sent_drop", "recv_drop"].map(
    (item) => `kata_guest_netdev_stat{item="${item}"}`,
  ),
  "kata_guest_tasks",
];

/** Families of panels without data: shims have not had them for years, or they are about a Go program. */
const DEAD: readonly string[] = [
  "kata_shim_netdev",
  "kata_agent_process_open_fds",
  "kata_agent_process_resident_memory_bytes",
  "kata_monitor_go_goroutines",
  "kata_monitor_go_threads",
  mean("kata_monitor_go_gc_duration_seconds"),
];

/** The recording rules of OpenShift's monitoring for kata-monitor, which the dashboard of its console needs. */
const RULE = {
  record: "cluster:kata_monitor_running_shim_count:sum",
  expr: "sum(kata_monitor_running_shim_count)",
};
const OPENSHIFT: readonly string[] = [
  'kata_guest_meminfo{item="mem_total"} - on(sandbox_id) kata_guest_meminfo{item="mem_free"}',
  'irate(kata_guest_cpu_time{cpu="total",item=~"irq|softirq|system|user"}[5m])',
  'count(kata_guest_load{item="load1"})',
];

test("every query of Kata's dashboard and of OpenShift's gets data from a Prometheus that scrapes the agent", async (context) => {
  if (!peerIsThere(context, "prometheus", hasProgram("prometheus"))) return;
  const node = await startMonitoredNode({ simulator: { sandboxes: 2, flavor: "go" } });
  const prometheus = await startPrometheus(node.listenAddress, [RULE]);
  try {
    for (const query of [...QUERIES, ...OPENSHIFT]) {
      const samples = await poll(`data of ${query}`, async () => {
        const found = await prometheus.query(query);
        return found.length > 0 ? found : undefined;
      });
      if (query.startsWith("kata_guest_load") || query === "kata_shim_fds") {
        const ids = new Set(samples.map(({ metric }) => metric["sandbox_id"]));
        assert.deepEqual([...ids].sort(), [...node.simulator.sandboxes.keys()].sort(), query);
      }
    }
    const recorded = await poll("the recording rule", async () => {
      const [sample] = await prometheus.query(RULE.record);
      return sample;
    });
    assert.equal(recorded.value, 2);
    for (const query of DEAD) assert.deepEqual(await prometheus.query(query), [], query);
    assert.deepEqual(await prometheus.target(), { health: "up", lastError: "" });
  } finally {
    await prometheus.close();
    await node.close();
  }
});
