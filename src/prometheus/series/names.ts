// SPDX-License-Identifier: Apache-2.0
/** The prefix that Prometheus itself puts before the name of a label if another label has this name. */
const EXPORTED = "exported_";

/** Labels that histograms and summaries write themselves, whatever the resource. */
export const BOUND_LABELS: ReadonlySet<string> = new Set(["le", "quantile"]);

const LEGAL_METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LEGAL_LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/**
 * Whether every version of Prometheus accepts the text as a label's name, including versions older than UTF-8 names.
 * `__name__` is not accepted, since it holds the metric's name.
 */
export function isLabelName(text: string): boolean {
  return LEGAL_LABEL_NAME.test(text) && text !== "__name__";
}

/** The name with every illegal character replaced by an underscore, as the OpenTelemetry mapping demands. */
function toMetricName(text: string): string {
  if (LEGAL_METRIC_NAME.test(text)) return text;
  const legal = text.replaceAll(/[^a-zA-Z0-9_:]/g, "_");
  return LEGAL_METRIC_NAME.test(legal) ? legal : `_${legal}`;
}

/** The legal name of a family, with the namespace and an underscore before it unless the namespace is empty. */
export function writtenName(namespace: string, name: string): string {
  return toMetricName(namespace === "" ? name : `${namespace}_${name}`);
}

/** The label name with every illegal character replaced by an underscore. */
export function toLabelName(text: string): string {
  if (LEGAL_LABEL_NAME.test(text)) return text;
  const legal = text.replaceAll(/[^a-zA-Z0-9_]/g, "_");
  return LEGAL_LABEL_NAME.test(legal) ? legal : `_${legal}`;
}

/**
 * The label's name if it is free, otherwise the name with `exported_` before it, repeated until it is free. Names that
 * begin with two underscores are never free: they belong to Prometheus.
 */
export function freeLabelName(name: string, isTaken: (name: string) => boolean): string {
  let free = name;
  while (isTaken(free) || free.startsWith("__")) free = EXPORTED + free;
  return free;
}

/** The label as `name="value"`, with the value escaped. */
export function labelText(name: string, value: string): string {
  return `${name}="${escapeQuoted(value)}"`;
}

/** The text with backslashes, quotes and line feeds escaped, as it must be between quotes. */
export function escapeQuoted(text: string): string {
  if (!/[\\"\n]/.test(text)) return text;
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
