import type { Interner } from "../../metrics/interner.ts";
import type { Attributes, Family, Schema } from "../../metrics/model.ts";

/**
 * Where a sandbox stands: `pending` has no socket yet, `up` answered, `failing` did not, `stale` refuses connections,
 * `unsafe` is not asked because asking would end its pod.
 */
export type SandboxState = "pending" | "up" | "failing" | "stale" | "unsafe";
export const STATES: readonly SandboxState[] = ["pending", "up", "failing", "stale", "unsafe"];

/** What the agent says of one scrape of one sandbox. */
export interface ScrapeReport {
  readonly up: boolean;
  readonly durationMs: number;
  readonly samples: number;
  readonly partial: boolean;
  readonly skippedLines: number;
  readonly badLines: number;
}

/** The agent's own families on every reading, in front of the shim's. */
export class OwnFamilies {
  readonly #byState: ReadonlyMap<
    SandboxState,
    { readonly families: readonly Family[]; readonly schema: Schema }
  >;

  constructor(interner: Interner) {
    const gauge = (name: string, unit: string, help: string, attributes: Attributes = []): Family =>
      interner.family({
        name: `kata_collector_sandbox_${name}`,
        kind: "gauge",
        unit,
        help,
        points: [{ attributes, bounds: [], boundTexts: [] }],
      });
    const common = [
      gauge("up", "1", "Whether the sandbox's shim answered the last scrape."),
      gauge("scrape_duration_seconds", "s", "How long the last scrape took."),
      gauge("scrape_samples", "{sample}", "Samples that the last scrape gave."),
      gauge("partial", "1", "Whether the last page lacked the part of the guest agent."),
      gauge("skipped_lines", "{line}", "Lines of the last page that were left out because of a limit."),
      gauge("bad_lines", "{line}", "Lines of the last page that could not be used."),
    ];
    this.#byState = new Map(
      STATES.map((state) => {
        const attributes = [{ key: "state", value: state }];
        const help = "The state of the sandbox: pending, up, failing, stale or unsafe.";
        const families = [...common, gauge("state", "1", help, attributes)];
        return [state, { families, schema: interner.schema(families) }];
      }),
    );
  }

  /** The number of points that they add to a reading. */
  get pointCount(): number {
    return this.families("up").length;
  }

  families(state: SandboxState): readonly Family[] {
    return this.#byState.get(state)?.families ?? [];
  }

  /** The schema of a reading that has nothing else. */
  schema(state: SandboxState): Schema {
    const entry = this.#byState.get(state);
    if (entry === undefined) throw new Error(`BUG: no own families for state "${state}"`);
    return entry.schema;
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
