// SPDX-License-Identifier: Apache-2.0
import { escapeQuoted } from "../series/names.ts";

/** The text format 0.0.4, or OpenMetrics 1.0. */
export type PageFormat = "text" | "openmetrics";

/** The most bytes that a number takes. The longest are just above a millionth: -0.0000010705438171498827. */
export const WRITTEN_NUMBER_BYTES_MAX = 25;

/** The characters between the last label of a line and its number. */
export const LABELS_END = "} ";

/** The text of a HELP line, escaped. OpenMetrics escapes quotes too. */
export function helpText(help: string, format: PageFormat): string {
  return format === "openmetrics"
    ? escapeQuoted(help)
    : help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
