import type { Kind } from "../metrics/model.ts";

/** How families are called that come out of a guest. */
const PREFIXES = ["kata_guest_", "kata_agent_"];

/** Families of guests of Kata Containers 4.1, with their kinds. */
export const GUEST_FAMILIES: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ["kata_agent_scrape_count", "sum"],
  ...gauges("kata_agent", "io_stat proc_stat proc_status threads total_rss total_time total_vm"),
  ...gauges(
    "kata_guest",
    "cpu_time diskstat filesystem_bytes filesystem_inodes load meminfo netdev_stat tasks vm_stat",
  ),
]);

/** Whether a guest says what the family holds; all others are the host's or the agent's. */
export function isGuestFamily(name: string): boolean {
  return PREFIXES.some((prefix) => name.startsWith(prefix));
}

function gauges(prefix: string, names: string): [string, Kind][] {
  return names.split(" ").map((name) => [`${prefix}_${name}`, "gauge"]);
}
