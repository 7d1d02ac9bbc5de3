// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- agent.

import type { Interner } from "../../../metrics/interner.ts";
import { getOrMake } from "../../../metrics/memoized.ts";
import type { Attribute, Attributes, Family, Schema } from "../../../metrics/model.ts";
import { limitedFamily } from "../../../prometheus/page/limited_family.ts";
import type { Limit } from "../../../prometheus/parse/limit.ts";
import type { Instant } from "../sandbox/instant.ts";
import type { SandboxFacts } from "../sandbox/sandbox.ts";
import { type SandboxState, STATES } from "../sandbox/sandbox_state.ts";

/** The facts of one scrape of one sandbox. */
export interface ScrapeReport {
  readonly up: boolean;
  readonly durationMs: number;
  readonly samples: number;
  readonly partial: boolean;
  readonly skippedLines: number;
  readonly badLines: number;
}

/** The part of a sandbox's condition that its readings show. */
export interface ShownCondition {
  readonly state: SandboxState;
  /** The reason for the state; empty if it is up and nothing is wrong. */
  readonly code: string;
  readonly since: Instant;
  /** The time until which scrapes of the sandbox are put off; undefined if they are not. */
  readonly nextScrape: Instant | undefined;
}

/** Everything that the agent reports of one sandbox after one visit. */
export interface SandboxReport {
  readonly condition: ShownCondition;
  readonly facts: SandboxFacts;
  readonly scrape: ScrapeReport;
}

/** The agent's own families of all reports that have the same state, code, optional families and limits. */
export interface OwnShape {
  readonly families: readonly Family[];
  /** The schema of a reading that has only the agent's own families. */
  readonly schema: Schema;
  /** The number of points that the agent's own families add to a reading. Each point has one column. */
  readonly pointCount: number;
}

const PREFIX = "kata_collector_sandbox_";

/** Returns whether the family is one of the agent's own. No page can bring a family of such a name. */
export function isOwnFamily(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** A family that every report has, with one point. */
interface Column {
  readonly name: string;
  readonly unit: string;
  readonly help: string;
}

const COMMON: readonly Column[] = [
  { name: "up", unit: "1", help: "Whether the sandbox's shim answered the last scrape." },
  { name: "scrape_duration_seconds", unit: "s", help: "How long the last scrape took." },
  { name: "scrape_samples", unit: "{sample}", help: "Samples that the last scrape gave." },
  { name: "partial", unit: "1", help: "Whether the last page lacked the part of the guest agent." },
  {
    name: "skipped_lines",
    unit: "{line}",
    help: "Lines of the last page that were left out because of a limit.",
  },
  { name: "bad_lines", unit: "{line}", help: "Lines of the last page that could not be used." },
  {
    name: "state_since_seconds",
    unit: "s",
    help: "Unix time of the last change of the sandbox's state or reason.",
  },
];

/** A family that a report has only if its number is known. */
interface OptionalColumn extends Column {
  value(condition: ShownCondition, facts: SandboxFacts): number | undefined;
}

const OPTIONAL: readonly OptionalColumn[] = [
  {
    name: "last_answer_timestamp_seconds",
    unit: "s",
    help: "Unix time of the shim's last answer; absent before the first.",
    value: (_, { lastAnswerMs }) => seconds(lastAnswerMs),
  },
  {
    name: "next_scrape_timestamp_seconds",
    unit: "s",
    help: "Unix time of the next scrape; absent unless it is put off because scrapes were broken off.",
    value: ({ nextScrape }) => seconds(nextScrape?.unixMs),
  },
  {
    name: "in_runtime",
    unit: "1",
    help: "Whether the container runtime lists the sandbox; absent where none answers.",
    value: (_, { isListed }) => (isListed === undefined ? undefined : Number(isListed)),
  },
  {
    name: "boot_socket_seconds",
    unit: "s",
    help: "Time from the birth of the sandbox's directory to that of its socket; absent where the agent did not see it.",
    value: (_, { boot }) => seconds(boot?.socketMs),
  },
  {
    name: "boot_answer_seconds",
    unit: "s",
    help: "Time from the birth of the sandbox's socket to the first answer; absent where the agent did not see it.",
    value: (_, { boot }) => seconds(boot?.answerMs),
  },
];

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000;
}

/**
 * The most shapes that are remembered. Honest sandboxes have a few dozen in all. If a guest's pages exceed other limits
 * each time, this number is reached; then all shapes are forgotten and made anew.
 */
const SHAPES_MAX = 1_024;

/** Makes and fills the agent's own families, which come before the shim's in every reading. */
export class OwnFamilies {
  readonly #interner: Interner;
  readonly #common: readonly Family[];
  readonly #optional: readonly Family[];
  /** The shapes by state, by code, and by the bits of the optional families and limits that they have. */
  readonly #known = new Map<SandboxState, Map<string, Map<number, OwnShape>>>();
  #shapes = 0;
  /** The bit of each limit in the key of a shape. */
  readonly #limitBits = new Map<Limit, number>();

  constructor(interner: Interner) {
    this.#interner = interner;
    this.#common = COMMON.map((column) => this.#gauge(column, []));
    this.#optional = OPTIONAL.map((column) => this.#gauge(column, []));
  }

  /** The number of shapes that are remembered. */
  get shapeCount(): number {
    return this.#shapes;
  }

  /** Returns the families of a report with this condition and these facts. */
  shape(condition: ShownCondition, facts: SandboxFacts): OwnShape {
    const { state, code } = condition;
    const parts = partsOf(condition, facts);
    const key = parts + this.#limitsKey(facts.limits);
    const byCode = getOrMake(this.#known, state, () => new Map<string, Map<number, OwnShape>>());
    const byParts = getOrMake(byCode, code, () => new Map<number, OwnShape>());
    const known = byParts.get(key);
    if (known !== undefined) return known;
    if (this.#shapes >= SHAPES_MAX) {
      this.#known.clear();
      this.#shapes = 0;
      return this.shape(condition, facts);
    }
    const made = this.#create(condition, parts, facts.limits);
    byParts.set(key, made);
    this.#shapes++;
    return made;
  }

  /** Writes the report into the first columns of a reading, in the order of the families of the report's shape. */
  fill(values: Float64Array, { condition, facts, scrape }: SandboxReport): void {
    values[0] = scrape.up ? 1 : 0;
    values[1] = scrape.durationMs / 1_000;
    values[2] = scrape.samples;
    values[3] = scrape.partial ? 1 : 0;
    values[4] = scrape.skippedLines;
    values[5] = scrape.badLines;
    values[6] = condition.since.unixMs / 1_000;
    values[7] = 1;
    let column = 8;
    for (let i = 0; i < OPTIONAL.length; i++) {
      const value = OPTIONAL[i]?.value(condition, facts);
      if (value !== undefined) values[column++] = value;
    }
    values.fill(1, column, column + facts.limits.size);
  }

  /** Returns the bits of these limits in the key of a shape. They are above the bits of the optional families. */
  #limitsKey(limits: ReadonlySet<Limit>): number {
    let key = 0;
    for (const limit of limits)
      key += getOrMake(this.#limitBits, limit, () => 2 ** (OPTIONAL.length + this.#limitBits.size));
    return key;
  }

  #create({ state, code }: ShownCondition, parts: number, limits: ReadonlySet<Limit>): OwnShape {
    const attributes: Attribute[] = [{ key: "state", value: state }];
    if (code !== "") attributes.push({ key: "reason", value: code });
    const help = `The state of the sandbox, and the reason where something is wrong: ${STATES.join(", ")}.`;
    const families = [
      ...this.#common,
      this.#gauge({ name: "state", unit: "1", help }, attributes),
      ...this.#optional.filter((_, i) => (parts >> i) & 1),
      ...(limits.size === 0 ? [] : [this.#interner.family(limitedFamily(limits))]),
    ];
    const schema = this.#interner.schema(families);
    return { families, schema, pointCount: schema.width };
  }

  #gauge({ name, unit, help }: Column, attributes: Attributes): Family {
    return this.#interner.family({
      name: `${PREFIX}${name}`,
      kind: "gauge",
      unit,
      help,
      points: [{ attributes, bounds: [], boundTexts: [] }],
    });
  }
}

/** Returns which optional families the report has, one bit each. */
function partsOf(condition: ShownCondition, facts: SandboxFacts): number {
  let parts = 0;
  for (let i = 0; i < OPTIONAL.length; i++)
    if (OPTIONAL[i]?.value(condition, facts) !== undefined) parts |= 1 << i;
  return parts;
}
