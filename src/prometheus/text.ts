/** A label's value as it stands between its quotes, in both text formats. */
export function escapeLabelValue(value: string): string {
  return /["\\\n]/.test(value)
    ? value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
    : value;
}

/** A HELP text; OpenMetrics escapes quotes too. */
export function escapeHelp(text: string, format: TextFormat): string {
  const escaped = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return format === "openmetrics" ? escaped.replaceAll('"', '\\"') : escaped;
}

export type TextFormat = "text" | "openmetrics";

/** A metric name in the classic alphabet: what does not belong becomes an underscore. */
export function legalMetricName(name: string): string {
  return /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name) ? name : legal(name, /[^a-zA-Z0-9_:]/g);
}

/** A label name in the classic alphabet. */
export function legalLabelName(name: string): string {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : legal(name, /[^a-zA-Z0-9_]/g);
}

function legal(name: string, illegal: RegExp): string {
  const replaced = name.replaceAll(illegal, "_");
  return /^[0-9]/.test(replaced) || replaced === "" ? `_${replaced}` : replaced;
}
