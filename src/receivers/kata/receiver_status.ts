// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import type { RootState } from "./discovery/root_state.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";
import { sandboxNameOf } from "./sandbox/sandbox_name.ts";
import { isStuckPending, mayBeStarting } from "./sandbox/starting.ts";

/** The most sandboxes that the text of a status names; further ones are only counted. */
const NAMES_MAX = 3;

/** A reason why the receiver is not well. */
interface Trouble {
  readonly text: string;
  /** Whether only a restart of the agent helps. */
  readonly isPermanent: boolean;
}

/**
 * Reports the receiver's status. It is `ok` if every existing root can be read, and at least one of the sandboxes that should
 * answer does: an agent that sees nothing must not look healthy.
 */
export class ReceiverStatus {
  readonly #settings: Settings;
  readonly #rootCount: number;
  readonly #sandboxes: ReadonlyMap<string, Sandbox>;
  readonly #roots = new Map<string, RootState>();
  #releaseReadiness: () => void = () => {};

  constructor(settings: Settings, rootCount: number, sandboxes: ReadonlyMap<string, Sandbox>) {
    this.#settings = settings;
    this.#rootCount = rootCount;
    this.#sandboxes = sandboxes;
  }

  /** Keeps the agent from being ready until every root has been scanned once, or the returned function is called. */
  holdReadiness(): () => void {
    const { host, id } = this.#settings;
    this.#releaseReadiness = host.statuses.holdReadiness(
      "receiver",
      id,
      "the roots have not been looked at yet",
    );
    return () => this.#releaseReadiness();
  }

  /** Whether every root has been scanned once, so that its sandboxes are known. */
  get hasScanned(): boolean {
    return this.#roots.size === this.#rootCount;
  }

  rootState(path: string, state: RootState): void {
    this.#roots.set(path, state);
    if (this.hasScanned) this.#releaseReadiness();
    this.report();
  }

  report(): void {
    const { host, id } = this.#settings;
    const trouble = this.#rootTrouble() ?? this.#sandboxTrouble();
    if (trouble === undefined) host.statuses.report("receiver", id, "ok");
    else
      host.statuses.report(
        "receiver",
        id,
        trouble.isPermanent ? "permanent_error" : "recoverable_error",
        trouble.text,
        { needsRestart: trouble.isPermanent },
      );
  }

  #rootTrouble(): Trouble | undefined {
    const removed: string[] = [];
    const unreadable: string[] = [];
    for (const root of this.#roots.values()) {
      if (root.state === "removed") removed.push(root.error);
      else if (root.state === "unreadable") unreadable.push(root.error);
    }
    if (removed.length > 0) return { text: removed.join("; "), isPermanent: true };
    return unreadable.length > 0 ? { text: unreadable.join("; "), isPermanent: false } : undefined;
  }

  /** Returns the trouble if pods have no sandbox under the roots, or no sandbox answers; undefined if all is well. */
  #sandboxTrouble(): Trouble | undefined {
    const { missingPods } = this.#settings.host.single(WITNESSES);
    const texts = [missingPods, this.#silentText()].filter((text) => text !== undefined);
    return texts.length === 0 ? undefined : { text: texts.join("; "), isPermanent: false };
  }

  /**
   * Returns a text that names the sandboxes that should answer and do not. Undefined if at least one sandbox answers,
   * or if none has to.
   */
  #silentText(): string | undefined {
    const { clock, host } = this.#settings;
    const nowMs = clock.monotonicMs();
    const silent: Sandbox[] = [];
    for (const sandbox of this.#sandboxes.values()) {
      const { condition } = sandbox;
      if (condition.state === "up") return undefined;
      // A sandbox that starts or is being removed need not answer, and an unsafe one is deliberately not asked.
      const isExcused =
        mayBeStarting(sandbox, nowMs) || condition.state === "ending" || condition.state === "unsafe";
      if (!isExcused || isStuckPending(sandbox, nowMs, host.single(WITNESSES))) silent.push(sandbox);
    }
    const [first] = silent;
    if (first === undefined) return undefined;
    const { reason } = first.condition;
    const { sandbox: id } = sandboxNameOf(first, host.single(WITNESSES));
    const fault = faultOf(silent);
    const names = this.#names(silent);
    return `${fault}: ${names}; of sandbox "${id}": ${reason}`;
  }

  #names(sandboxes: readonly Sandbox[]): string {
    const witnesses = this.#settings.host.single(WITNESSES);
    const names = sandboxes.slice(0, NAMES_MAX).map((one) => {
      const { sandbox, pod } = sandboxNameOf(one, witnesses);
      return `"${pod ?? sandbox}"`;
    });
    const more = sandboxes.length - names.length;
    return `${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  }
}

/** Returns the fault that all these sandboxes have in common. None of them answers. */
function faultOf(silent: readonly Sandbox[]): string {
  const all = (wanted: string): boolean =>
    silent.every(({ condition: { state, code } }) => state === wanted || code === wanted);
  if (all("unreadable")) return "none of the sandboxes can be looked at";
  if (all("stale")) return "all sandboxes are stale, since nobody listens on their sockets";
  return "none of the sandboxes that should answer does";
}
