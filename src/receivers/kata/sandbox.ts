import type { Resource } from "../../metrics/model.ts";
import type { PageSource } from "../../prometheus/parse.ts";
import type { FoundSandbox } from "./discovery.ts";
import type { SandboxState } from "./own_families.ts";
import { phaseOf } from "./schedule.ts";
import type { ScrapeFault } from "./scrape.ts";

/** What the agent keeps of a sandbox from its directory's coming to its going. */
export class Sandbox {
  readonly found: FoundSandbox;
  readonly resource: Resource;
  readonly source: PageSource;
  /** When in the interval it is scraped, from 0 to 1. */
  readonly phase: number;
  readonly foundAtMs: number;
  /** Aborts when the sandbox ends: a scrape under way is then of no use. */
  readonly ending: AbortController = new AbortController();
  state: SandboxState = "pending";
  /** Why it is not up. */
  reason = "";
  /** Time-outs in a row. */
  timeouts = 0;
  /** Whether a reading of it was handed on, so that its end must be. */
  shown = false;
  /** A look or a scrape is queued or under way. */
  busy = false;
  cancelTimer: () => void = () => {};

  constructor(found: FoundSandbox, own: { resource: Resource; source: PageSource; nowMs: number }) {
    this.found = found;
    this.resource = own.resource;
    this.source = own.source;
    this.foundAtMs = own.nowMs;
    this.phase = phaseOf(found.id);
  }

  get ended(): boolean {
    return this.ending.signal.aborted;
  }

  end(): void {
    this.cancelTimer();
    this.ending.abort();
  }
}

/** The state after a scrape that failed: a socket that nobody listens on is left over, everything else may pass. */
export function stateAfter(fault: ScrapeFault): SandboxState {
  if (fault === "refused") return "stale";
  return fault === "missing" ? "pending" : "failing";
}
