// SPDX-License-Identifier: Apache-2.0
/**
 * The state of a sandbox:
 *
 * - `pending`: it has no socket yet, its runtime or hypervisor is not known yet, or its directory cannot be looked at;
 * - `up`: the last scrape gave a page;
 * - `failing`: the last scrape gave none;
 * - `stale`: its socket refuses connections;
 * - `unsafe`: it is not asked, because asking could end its pod, or because something else is at the socket's path;
 * - `ending`: it is not asked, because it is being removed.
 */
export type SandboxState = "pending" | "up" | "failing" | "stale" | "unsafe" | "ending";

export const STATES: readonly SandboxState[] = ["pending", "up", "failing", "stale", "unsafe", "ending"];
