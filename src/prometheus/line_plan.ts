import type { Attribute, Family, Kind, Point } from "../metrics/model.ts";
import { createLiteral, type Literal } from "./literal.ts";
import { escapeHelp, escapeLabelValue, legalLabelName, legalMetricName, type TextFormat } from "./text.ts";

/** How the lines of a family begin: one literal per column of its numbers, in their order. */
export interface LinePlan {
  /** Name and own labels, up to where the resource's labels go: ends in `{` or `,`. */
  readonly prefixes: readonly Literal[];
  /** The longest prefix, in bytes. */
  readonly bytesMax: number;
}

export interface LinePlanOptions {
  /** As the page calls the family. */
  readonly name: string;
  /** Names of labels that the resource brings: a point's own label of such a name becomes `exported_…`. */
  readonly reserved: ReadonlySet<string>;
}

/** Compiles the lines of a family; once per interned family, whoever's numbers they carry. */
export function compileLines(family: Family, options: LinePlanOptions): LinePlan {
  const prefixes = family.points.flatMap((point) => pointLines(family, point, options)).map(createLiteral);
  return { prefixes, bytesMax: Math.max(0, ...prefixes.map(({ bytes }) => bytes.length)) };
}

/** Labels that the kind itself writes. */
const BOUND_LABEL: Partial<Record<Kind, readonly string[]>> = { histogram: ["le"], summary: ["quantile"] };

function pointLines({ kind }: Family, point: Point, { name, reserved }: LinePlanOptions): string[] {
  const own = renderLabels(point.attributes, [...reserved, ...(BOUND_LABEL[kind] ?? [])]);
  const line = (suffix: string, more = ""): string => `${name}${suffix}{${own}${more}`;
  switch (kind) {
    case "gauge":
    case "sum":
    case "unknown":
      return [line("")];
    case "histogram":
      return [
        ...point.boundTexts.map((bound) => line("_bucket", `le="${bound}",`)),
        line("_bucket", 'le="+Inf",'),
        line("_sum"),
        line("_count"),
      ];
    case "summary":
      return [
        ...point.boundTexts.map((bound) => line("", `quantile="${bound}",`)),
        line("_sum"),
        line("_count"),
      ];
  }
}

/** `a="b",c="d",`: two labels that come to the same name would make the whole page invalid, so the later one is renamed. */
function renderLabels(attributes: readonly Attribute[], reserved: readonly string[]): string {
  const taken = new Set(reserved);
  let text = "";
  for (const { key, value } of attributes) {
    let name = legalLabelName(key);
    while (taken.has(name)) name = `exported_${name}`;
    taken.add(name);
    text += `${name}="${escapeLabelValue(value)}",`;
  }
  return text;
}

/** A resource's labels: what goes between a line's prefix and its number. Ends in `} `. */
export function compileResource(labels: readonly Attribute[]): Literal {
  const text = labels.map(({ key, value }) => `${key}="${escapeLabelValue(value)}"`).join(",");
  return createLiteral(`${text}} `);
}

const TYPE_NAMES = {
  text: { gauge: "gauge", sum: "counter", histogram: "histogram", summary: "summary", unknown: "untyped" },
  openmetrics: {
    gauge: "gauge",
    sum: "counter",
    histogram: "histogram",
    summary: "summary",
    unknown: "unknown",
  },
} as const;

/** The HELP and TYPE lines of a family. */
export function renderHeader(family: Family, name: string, format: TextFormat): string {
  let type: string = TYPE_NAMES[format][family.kind];
  let shown = name;
  if (format === "openmetrics" && family.kind === "sum") {
    // An OpenMetrics counter's samples end in _total. One that upstream named otherwise keeps its name and is of no type.
    if (name.endsWith("_total")) shown = name.slice(0, -"_total".length);
    else type = "unknown";
  }
  const help = family.help === "" ? "" : `# HELP ${shown} ${escapeHelp(family.help, format)}\n`;
  return `${help}# TYPE ${shown} ${type}\n`;
}

/** The page's name of a family. */
export function pageName(family: Family, namespace: string): string {
  return legalMetricName(namespace === "" ? family.name : `${namespace}_${family.name}`);
}
