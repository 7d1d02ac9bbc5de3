import type { Interner } from "../../metrics/interner.ts";
import type { Attribute, Attributes, Family, Schema } from "../../metrics/model.ts";

/**
 * Where a sandbox stands: `pending` has no socket yet, `up` answered, `failing` did not, `stale` refuses connections,
 * `unsafe` is not asked because asking would end its pod, `ending` is not asked because it is being removed.
 */
export type SandboxState = "pending" | "up" | "failing" | "stale" | "unsafe" | "ending";
export const STATES: readonly SandboxState[] = ["pending", "up", "failing", "stale", "unsafe", "ending"];

/** What the agent says of one scrape of one sandbox. */
export interface ScrapeReport {
  readonly up: boolean;
  readonly durationMs: number;
  readonly samples: number;
  readonly partial: boolean;
  readonly skippedLines: number;
  readonly badLines: number;
}

interface Own {
  readonly families: readonly Family[];
  readonly schema: Schema;
}

/** The agent's own families on every reading, in front of the shim's. */
export class OwnFamilies {
  readonly #interner: Interner;
  readonly #common: readonly Family[];
  /** By state and code, of which there are a few dozen. */
  readonly #known = new Map<string, Own>();

  constructor(interner: Interner) {
    this.#interner = interner;
    const gauge = (name: string, unit: string, help: string): Family => this.#gauge(name, unit, help, []);
    this.#common = [
      gauge("up", "1", "Whether the sandbox's shim answered the last scrape."),
      gauge("scrape_duration_seconds", "s", "How long the last scrape took."),
      gauge("scrape_samples", "{sample}", "Samples that the last scrape gave."),
      gauge("partial", "1", "Whether the last page lacked the part of the guest agent."),
      gauge("skipped_lines", "{line}", "Lines of the last page that were left out because of a limit."),
      gauge("bad_lines", "{line}", "Lines of the last page that could not be used."),
    ];
  }

  /** The number of points that they add to a reading. */
  get pointCount(): number {
    return this.#common.length + 1;
  }

  /** Those of a sandbox that is up. */
  get families(): readonly Family[] {
    return this.#own("up", "").families;
  }

  /** The schema of a reading that has nothing else; the code says why the sandbox is not up. */
  schema(state: SandboxState, code: string): Schema {
    return this.#own(state, code).schema;
  }

  #own(state: SandboxState, code: string): Own {
    const key = `${state} ${code}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const attributes: Attribute[] = [{ key: "state", value: state }];
    if (code !== "") attributes.push({ key: "reason", value: code });
    const help = `The state of the sandbox, and the reason where it is not up: ${STATES.join(", ")}.`;
    const families = [...this.#common, this.#gauge("state", "1", help, attributes)];
    const own = { families, schema: this.#interner.schema(families) };
    this.#known.set(key, own);
    return own;
  }

  #gauge(name: string, unit: string, help: string, attributes: Attributes): Family {
    return this.#interner.family({
      name: `kata_collector_sandbox_${name}`,
      kind: "gauge",
      unit,
      help,
      points: [{ attributes, bounds: [], boundTexts: [] }],
    });
  }

  /** Fills the own families' columns, which are the first ones of every reading. */
  fill(values: Float64Array, report: ScrapeReport): void {
    values[0] = report.up ? 1 : 0;
    values[1] = report.durationMs / 1_000;
    values[2] = report.samples;
    values[3] = report.partial ? 1 : 0;
    values[4] = report.skippedLines;
    values[5] = report.badLines;
    values[6] = 1;
  }
}
