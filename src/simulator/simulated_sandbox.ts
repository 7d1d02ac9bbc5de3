// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { SimulatedPod } from "./cri_server.ts";
import type { NumberStyle } from "./number_text.ts";
import { type SandboxFault, shimFaultOf } from "./sandbox_faults.ts";
import type { Shim, ShimFault } from "./shim.ts";

/** A sandbox of a simulated node, as the users of the simulator see it. */
export interface SimulatedSandbox {
  readonly id: string;
  readonly flavor: NumberStyle;
  readonly pod: SimulatedPod;
  readonly directory: string;
  readonly socketPath: string;
  /** The fault that the sandbox was made with, or that was set since. */
  readonly fault: SandboxFault;
  /** Whether the container runtime lists the sandbox's pod. */
  readonly isListed: boolean;
  /** Undefined before the shim has started, and for a sandbox that has no shim because of its fault. */
  readonly shim: Shim | undefined;
  /**
   * Sets the fault for the next requests; "refuse" takes effect at once. While the guest boots, the fault is only
   * stored; it is set at the end of the boot.
   */
  setFault(fault: ShimFault): Promise<void>;
}

interface Place {
  readonly flavor: NumberStyle;
  readonly pod: SimulatedPod;
  readonly directory: string;
}

/** A sandbox of a simulated node, as the node itself uses it. */
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
