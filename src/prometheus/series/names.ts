// SPDX-License-Identifier: Apache-2.0
/** Text format 0.0.4, or OpenMetrics 1.0. */
export type PageFormat = "text" | "openmetrics";

/** The label that Prometheus itself puts before a name that is taken. */
const EXPORTED = "exported_";

/** Labels that histograms and summaries write themselves, on whatever resource. */
export const BOUND_LABELS: ReadonlySet<string> = new Set(["le", "quantile"]);

const LEGAL_METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LEGAL_LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Whether every Prometheus takes it as a metric's name (the character set before UTF-8 names). */
export function isMetricName(text: string): boolean {
  return LEGAL_METRIC_NAME.test(text);
}

/** As `isMetricName`, of a label. `__name__` is none: it is how a series' metric is called. */
export function isLabelName(text: string): boolean {
  return LEGAL_LABEL_NAME.test(text) && text !== "__name__";
}

/** The name with every character that is not legal replaced by an underscore, as the OpenTelemetry mapping says. */
export function toMetricName(text: string): string {
  if (LEGAL_METRIC_NAME.test(text)) return text;
  const legal = text.replaceAll(/[^a-zA-Z0-9_:]/g, "_");
  return LEGAL_METRIC_NAME.test(legal) ? legal : `_${legal}`;
}

/** As `toMetricName`, of a label. */
export function toLabelName(text: string): string {
  if (LEGAL_LABEL_NAME.test(text)) return text;
  const legal = text.replaceAll(/[^a-zA-Z0-9_]/g, "_");
  return LEGAL_LABEL_NAME.test(legal) ? legal : `_${legal}`;
}

/**
 * The label's name, or `exported_` before it, as often as it takes to find one that is free. Names that begin with two
 * underscores are Prometheus' own.
 */
export function freeLabelName(name: string, isTaken: (name: string) => boolean): string {
  let free = name;
  while (isTaken(free) || free.startsWith("__")) free = EXPORTED + free;
  return free;
}

/** `name="value"`, escaped. */
export function labelText(name: string, value: string): string {
  return `${name}="${escapeQuoted(value)}"`;
}

/** The text of a HELP line; OpenMetrics escapes quotes too. */
export function helpText(help: string, format: PageFormat): string {
  return format === "openmetrics"
    ? escapeQuoted(help)
    : help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeQuoted(text: string): string {
  if (!/[\\"\n]/.test(text)) return text;
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
