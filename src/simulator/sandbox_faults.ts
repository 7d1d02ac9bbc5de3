// SPDX-License-Identifier: Apache-2.0
import type { NumberStyle } from "./number_text.ts";
import { SHIM_FAULTS, type ShimFault } from "./shim.ts";

/** Faults in the files of a sandbox or in its pod, with what each means. A sandbox is made with such a fault, and keeps it. */
const PLACE_FAULTS: Readonly<Record<PlaceFault, string>> = {
  leaked_vm:
    "loses its pod after a while (--leak-delay): the runtime no longer lists it, and its VM lives on",
  no_directory: "is a ready pod for the runtime, and has no directory",
  old_state: "boots forever on runtime-rs, with a state.json of an earlier life; a scrape would end it",
  dead_persist: "is the persist.json that a dead sandbox of the Go runtime left, without a socket",
  left_directory: "is an empty directory that was left behind",
};
type PlaceFault = "leaked_vm" | "no_directory" | "old_state" | "dead_persist" | "left_directory";

/** All faults of simulated sandboxes, each with what a sandbox with it does or is. */
export const SANDBOX_FAULTS: Readonly<Record<SandboxFault, string>> = { ...SHIM_FAULTS, ...PLACE_FAULTS };
export type SandboxFault = ShimFault | PlaceFault;

/** Returns the only runtime that can have the fault, or undefined if both can. */
export function flavorOf(fault: SandboxFault): NumberStyle | undefined {
  if (fault === "old_state") return "rs";
  return fault === "dead_persist" ? "go" : undefined;
}

/** Returns the fault that the shim of a sandbox with `fault` has. */
export function shimFaultOf(fault: SandboxFault): ShimFault {
  switch (fault) {
    case "leaked_vm":
    case "no_directory":
    case "dead_persist":
    case "left_directory":
      return "none";
    // A scrape ends the shim of such a sandbox, both while its guest boots and later.
    case "old_state":
      return "abort";
    default:
      return fault;
  }
}
