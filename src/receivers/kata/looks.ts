import type { Clock } from "../../clock/clock.ts";
import { Discovery, type DiscoveryEvents, type Root } from "./discovery.ts";
import { RootWatch } from "./watch.ts";

export interface LooksOptions {
  readonly clock: Clock;
  readonly roots: readonly Root[];
  readonly initialDelayMs: number;
  readonly reconcileIntervalMs: number;
  readonly sandboxesMax: number;
  readonly events: DiscoveryEvents;
  /** The root's changes are seen at the next periodic look only. Called once for each fault, not for each try. */
  onWatchFault(path: string, error: Error): void;
}

/** Many hints come together when a pod starts or ends. */
const HINT_DELAY_MS = 30;

/** Looks at the roots: periodically, and soon after the watcher has hinted at a change. */
export class Looks {
  readonly #options: LooksOptions;
  readonly #discovery: Discovery;
  readonly #watches: readonly RootWatch[];
  /** The last fault of each watcher, by path. */
  readonly #faults = new Map<string, string>();
  #cancelPeriodic: () => void = () => {};
  #cancelHinted: (() => void) | undefined;
  #stopped = false;

  constructor(options: LooksOptions) {
    const { roots, sandboxesMax, events, onWatchFault } = options;
    this.#options = options;
    this.#discovery = new Discovery({ roots, sandboxesMax, events });
    this.#watches = roots.map(
      ({ path }) =>
        new RootWatch({
          path,
          onHint: () => this.#hint(),
          onError: (error) => {
            if (this.#faults.get(path) !== error.message) onWatchFault(path, error);
            this.#faults.set(path, error.message);
          },
        }),
    );
  }

  start(): void {
    this.#lookIn(this.#options.initialDelayMs);
  }

  /** Looks at the roots now. */
  look(): void {
    if (!this.#discovery.reconcile()) this.#hint();
  }

  /** No look follows. */
  stop(): void {
    this.#stopped = true;
    this.#cancelPeriodic();
    this.#cancelHinted?.();
  }

  /** Resolves when the watchers have let go of their directories. */
  async close(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.close()));
  }

  #lookIn(delayMs: number): void {
    this.#cancelPeriodic = this.#options.clock.after(delayMs, () => {
      for (const watch of this.#watches) watch.arm();
      this.look();
      this.#lookIn(this.#options.reconcileIntervalMs);
    });
  }

  /** The first hint sets the time of the look, so that a stream of them cannot put it off. */
  #hint(): void {
    if (this.#stopped || this.#cancelHinted !== undefined) return;
    this.#cancelHinted = this.#options.clock.after(HINT_DELAY_MS, () => {
      this.#cancelHinted = undefined;
      this.look();
    });
  }
}
