import type { Settings } from "../../component/component.ts";
import type { RootState } from "./discovery.ts";
import type { Sandbox } from "./sandbox.ts";

/** Reports how the receiver fares: it is well if every root that is there can be read, and one of the sandboxes that should answer does. */
export class ReceiverStatus {
  readonly #settings: Settings;
  readonly #sandboxes: ReadonlyMap<string, Sandbox>;
  /** Roots that cannot be read, or were removed. */
  readonly #unreadable = new Set<string>();

  constructor(settings: Settings, sandboxes: ReadonlyMap<string, Sandbox>) {
    this.#settings = settings;
    this.#sandboxes = sandboxes;
  }

  rootState(path: string, state: RootState): void {
    if ("error" in state) this.#unreadable.add(path);
    else this.#unreadable.delete(path);
    this.report();
  }

  report(): void {
    const { host, id } = this.#settings;
    const states = Array.from(this.#sandboxes.values(), ({ standing }) => standing.state);
    const failing = states.filter((state) => state === "failing").length;
    const unreadable = [...this.#unreadable];
    if (unreadable.length > 0)
      host.statuses.report("receiver", id, "recoverable_error", `cannot read ${unreadable.join(", ")}`);
    else if (failing > 0 && !states.includes("up"))
      host.statuses.report("receiver", id, "recoverable_error", `no sandbox answers; ${failing} should`);
    else host.statuses.report("receiver", id, "ok");
  }
}
