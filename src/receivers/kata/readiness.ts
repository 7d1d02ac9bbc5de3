import { lstat, open } from "node:fs/promises";
import { join } from "node:path";
import type { FoundSandbox } from "./discovery.ts";

export const SOCKET_NAME = "shim-monitor.sock";

/** Whether a sandbox may be scraped now. */
export type Readiness =
  | { readonly state: "ready" }
  | { readonly state: "pending"; readonly reason: string }
  | { readonly state: "unsafe"; readonly reason: string };

/**
 * Hypervisors under which released runtime-rs shims abort, and end their pod, when they are asked for metrics
 * (kata-containers issue 13708).
 */
const UNSAFE_HYPERVISORS: readonly string[] = ["qemu", "firecracker"];

/** A real state.json has a few KiB. */
const STATE_BYTES_MAX = 1024 * 1024;

/** Looks whether the socket is there, and for runtime-rs whether asking does no harm. Never rejects. */
export async function checkReadiness(
  sandbox: FoundSandbox,
  allowed: ReadonlySet<string>,
): Promise<Readiness> {
  const socket = await lstat(join(sandbox.directory, SOCKET_NAME)).catch(() => undefined);
  if (socket === undefined) return { state: "pending", reason: "no socket yet" };
  if (!socket.isSocket()) return { state: "unsafe", reason: `${SOCKET_NAME} is not a socket` };
  if (sandbox.runtime === "go") return { state: "ready" };
  const text = await readBounded(join(sandbox.directory, "state.json"));
  if (text === undefined)
    return { state: "pending", reason: "state.json does not say yet what runs the guest" };
  const hypervisor = hypervisorType(text);
  if (hypervisor === undefined) return { state: "pending", reason: "state.json names no hypervisor" };
  if (!UNSAFE_HYPERVISORS.includes(hypervisor) || allowed.has(hypervisor)) return { state: "ready" };
  return {
    state: "unsafe",
    reason: `runtime-rs with ${hypervisor}: a scrape ends its pod; allow it by unsafe_hypervisors`,
  };
}

async function readBounded(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, "r");
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(STATE_BYTES_MAX),
      length: STATE_BYTES_MAX,
    });
    return buffer.toString("utf8", 0, bytesRead);
  } catch {
    return undefined;
  }
}

function hypervisorType(text: string): string | undefined {
  try {
    const { hypervisor } = JSON.parse(text) as { hypervisor?: { hypervisor_type?: unknown } };
    const type = hypervisor?.hypervisor_type;
    return typeof type === "string" && type !== "" ? type : undefined;
  } catch {
    // It is being written.
    return undefined;
  }
}
