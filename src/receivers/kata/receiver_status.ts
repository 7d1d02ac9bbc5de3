// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import type { RootState } from "./discovery/root_state.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";
import { sandboxNameOf } from "./sandbox/sandbox_name.ts";
import { isStuckPending, mayBeStarting } from "./sandbox/starting.ts";

/** Sandboxes that a status names. */
const NAMES_MAX = 3;

/** Why the receiver is not well. */
interface Trouble {
  readonly text: string;
  /** Whether only a restart mends it. */
  readonly isPermanent: boolean;
}

/**
 * Reports how the receiver fares. It is well if every root that is there can be read, and one of the sandboxes that
 * should answer does: an agent that sees nothing must not look healthy.
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

  /** Keeps the agent from being ready until every root has been looked at once, or the returned function is called. */
  holdReadiness(): () => void {
    const { host, id } = this.#settings;
    this.#releaseReadiness = host.statuses.holdReadiness(
      "receiver",
      id,
      "the roots have not been looked at yet",
    );
    return () => this.#releaseReadiness();
  }

  /** Whether every root has been looked at, so that its sandboxes are known. */
  get hasLooked(): boolean {
    return this.#roots.size === this.#rootCount;
  }

  rootState(path: string, state: RootState): void {
    this.#roots.set(path, state);
    if (this.hasLooked) this.#releaseReadiness();
    this.report();
  }

  report(): void {
    const { host, id } = this.#settings;
    const trouble = this.#rootTrouble() ?? this.#blindness();
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

  /** Pods that have no sandbox under the roots, and sandboxes that do not answer. */
  #blindness(): Trouble | undefined {
    const { missingPods } = this.#settings.host.single(WITNESSES);
    const texts = [missingPods, this.#silence()].filter((text) => text !== undefined);
    return texts.length === 0 ? undefined : { text: texts.join("; "), isPermanent: false };
  }

  /** Sandboxes that should answer, if none does. */
  #silence(): string | undefined {
    const { clock, host } = this.#settings;
    const nowMs = clock.monotonicMs();
    const silent: Sandbox[] = [];
    for (const sandbox of this.#sandboxes.values()) {
      const { condition } = sandbox;
      if (condition.state === "up") return undefined;
      // One that starts or is being removed need not answer, and one that is unsafe is not asked on purpose.
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

/** What sandboxes have in common of which none answers. */
function faultOf(silent: readonly Sandbox[]): string {
  const all = (wanted: string): boolean =>
    silent.every(({ condition: { state, code } }) => state === wanted || code === wanted);
  if (all("unreadable")) return "none of the sandboxes can be looked at";
  if (all("stale")) return "all sandboxes are stale, since nobody listens on their sockets";
  return "none of the sandboxes that should answer does";
}
