import type { Family, Kind, Point } from "../metrics/model.ts";
import { joinTemplates, toTemplate } from "./write_copy.ts";
import { freeLabelName, labelText, toLabelName } from "./write_names.ts";

/** All that lines of a family have before the resource's labels, ready to be copied. Immutable. */
export interface FamilyPlan {
  /** The lines' beginnings, one behind the other: `name{a="b",` or `name{`; whole up to the value's blank where the resource has no labels. */
  readonly prefixes: DataView;
  /** Where the prefix of each line begins; one more for the end of the last. */
  readonly starts: Int32Array;
  /** The column of each line's value, counted from the family's first. */
  readonly columns: Int32Array;
  /** The first line of each point; one more for the end of the last. */
  readonly points: Int32Array;
  readonly prefixBytesMax: number;
  /** Labels that got another name, because theirs is the resource's or another label's of the point. */
  readonly renamedLabels: number;
  /** Points left out, because they are the same series as an earlier one. */
  readonly duplicatePoints: number;
}

/** Compiles the family's lines for resources whose labels have the names `reserved`. */
export function compilePlan(name: string, family: Family, reserved: ReadonlySet<string>): FamilyPlan {
  const compiler = new Compiler(name, family.kind, reserved);
  for (const point of family.points) compiler.add(point);
  return compiler.finish();
}

/** The label that tells the lines of a histogram or summary apart; a point cannot have its own of that name. */
const BOUND_LABEL: Readonly<Partial<Record<Kind, string>>> = { histogram: "le", summary: "quantile" };

class Compiler {
  readonly #name: string;
  readonly #kind: Kind;
  readonly #reserved: ReadonlySet<string>;
  readonly #lines: string[] = [];
  readonly #columns: number[] = [];
  readonly #points: number[] = [0];
  readonly #series = new Set<string>();
  #column = 0;
  #renamed = 0;
  #duplicates = 0;

  constructor(name: string, kind: Kind, reserved: ReadonlySet<string>) {
    this.#name = name;
    this.#kind = kind;
    this.#reserved = reserved;
  }

  add(point: Point): void {
    const labels = this.#labelTexts(point);
    // Neither the order of labels nor an empty one makes a series.
    const series = labels
      .filter((label) => !label.endsWith('=""'))
      .sort()
      .join();
    const isNew = !this.#series.has(series);
    if (isNew) this.#series.add(series);
    else this.#duplicates++;
    for (const line of this.#linesOf(point, labels)) {
      if (isNew) {
        this.#lines.push(line);
        this.#columns.push(this.#column);
      }
      this.#column++;
    }
    if (isNew) this.#points.push(this.#lines.length);
  }

  #labelTexts(point: Point): string[] {
    const names = new Set<string>();
    const bound = BOUND_LABEL[this.#kind];
    return point.attributes.map(({ key, value }) => {
      const wanted = toLabelName(key);
      const isTaken = (name: string) => this.#reserved.has(name) || names.has(name) || name === bound;
      const name = freeLabelName(wanted, isTaken);
      if (name !== wanted) this.#renamed++;
      names.add(name);
      return labelText(name, value);
    });
  }

  /** In the order of the point's columns. */
  #linesOf(point: Point, labels: readonly string[]): string[] {
    const bounds = point.boundTexts;
    const total = (suffix: string) => this.#line(suffix, labels);
    switch (this.#kind) {
      case "gauge":
      case "sum":
      case "unknown":
        return [this.#line("", labels)];
      case "histogram":
        return [
          ...[...bounds, "+Inf"].map((le) => this.#line("_bucket", [...labels, labelText("le", le)])),
          total("_sum"),
          total("_count"),
        ];
      case "summary":
        return [
          ...bounds.map((quantile) => this.#line("", [...labels, labelText("quantile", quantile)])),
          total("_sum"),
          total("_count"),
        ];
    }
  }

  #line(suffix: string, labels: readonly string[]): string {
    const name = this.#name + suffix;
    if (this.#reserved.size > 0) return `${name}{${labels.map((label) => `${label},`).join("")}`;
    return labels.length === 0 ? `${name} ` : `${name}{${labels.join(",")}} `;
  }

  finish(): FamilyPlan {
    const templates = this.#lines.map(toTemplate);
    const starts = new Int32Array(templates.length + 1);
    for (const [index, { length }] of templates.entries()) starts[index + 1] = (starts[index] ?? 0) + length;
    return {
      prefixes: joinTemplates(templates),
      starts,
      columns: Int32Array.from(this.#columns),
      points: Int32Array.from(this.#points),
      prefixBytesMax: templates.reduce((longest, { length }) => Math.max(longest, length), 0),
      renamedLabels: this.#renamed,
      duplicatePoints: this.#duplicates,
    };
  }
}
