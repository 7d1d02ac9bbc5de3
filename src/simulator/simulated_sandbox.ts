// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { SimulatedPod } from "./cri_server.ts";
import type { NumberStyle } from "./number_text.ts";
import { type SandboxFault, shimFaultOf } from "./sandbox_faults.ts";
import type { Shim, ShimFault } from "./shim.ts";

/** A sandbox of a simulated node, as those see it who play with the node. */
export interface SimulatedSandbox {
  readonly id: string;
  readonly flavor: NumberStyle;
  readonly pod: SimulatedPod;
  readonly directory: string;
  readonly socketPath: string;
  /** What it was made with, or what was set since. */
  readonly fault: SandboxFault;
  /** Whether the container runtime lists its pod. */
  readonly isListed: boolean;
  /** Undefined while the guest boots, and where there is none. */
  readonly shim: Shim | undefined;
  /** Takes effect at the next request; "refuse" at once. While the guest boots, it is kept for later. */
  setFault(fault: ShimFault): Promise<void>;
}

interface Place {
  readonly flavor: NumberStyle;
  readonly pod: SimulatedPod;
  readonly directory: string;
}

/** The same for the node itself. */
export class NodeSandbox implements SimulatedSandbox {
  readonly flavor: NumberStyle;
  readonly pod: SimulatedPod;
  readonly directory: string;
  readonly ending: AbortController = new AbortController();
  boot: Promise<void> = Promise.resolve();
  shim: Shim | undefined;
  isListed = false;
  fault: SandboxFault;
  #booted = false;

  constructor({ flavor, pod, directory }: Place, fault: SandboxFault) {
    this.flavor = flavor;
    this.pod = pod;
    this.directory = directory;
    this.fault = fault;
  }

  get id(): string {
    return this.pod.id;
  }

  get socketPath(): string {
    return join(this.directory, "shim-monitor.sock");
  }

  async setFault(fault: ShimFault): Promise<void> {
    this.fault = fault;
    if (this.#booted) await this.shim?.setFault(fault);
  }

  async booted(): Promise<void> {
    this.#booted = true;
    await this.shim?.setFault(shimFaultOf(this.fault));
  }
}
