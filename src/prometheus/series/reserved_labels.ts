// SPDX-License-Identifier: Apache-2.0
/** The labels that backends, scrapers and operators put on series themselves. */
const NAMES: ReadonlySet<string> = new Set([
  ...["job", "instance", "endpoint", "service", "scheme", "metrics_path", "target", "monitor"],
  ...[
    "namespace",
    "pod",
    "pod_name",
    "pod_uid",
    "container",
    "container_name",
    "container_id",
    "image",
    "uid",
  ],
  ...[
    "node",
    "node_name",
    "host",
    "hostname",
    "host_name",
    "nodename",
    "cluster",
    "cluster_id",
    "cluster_name",
  ],
  ...["tenant", "tenant_id", "vm_account_id", "vm_project_id", "receive", "receive_replica", "replica"],
  ...["prometheus", "prometheus_replica", "alertname", "alertstate", "severity", "team", "owner"],
  ...["env", "environment", "region", "zone", "availability_zone", "datacenter", "app", "application"],
  // The labels by which the agent itself names a sandbox and its pod.
  ...["sandbox_id", "cri_uid", "cri_name", "cri_namespace"],
]);

/**
 * The prefixes of Prometheus' own labels (`__`), of labels that are made of resource attributes, and of labels that
 * Prometheus has renamed (`exported_`).
 */
const PREFIXES = [
  "__",
  "k8s_",
  "service_",
  "host_",
  "cloud_",
  "deployment_",
  "otel_",
  "telemetry_",
  "exported_",
];

/** Whether the label says where a series comes from. Only the agent, the backend and their operators may set it. */
export function isReservedLabel(name: string): boolean {
  return NAMES.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix));
}
