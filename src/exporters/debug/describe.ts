// SPDX-License-Identifier: Apache-2.0
import { type Attributes, type Family, type Point, pointWidth, type Reading } from "../../metrics/model.ts";
import { visible } from "../../text/visible.ts";

/** Called for each point, with the first column of the point in the reading's row. */
type Visit = (family: Family, point: Point, column: number) => void;

function eachPoint(reading: Reading, visit: Visit): void {
  const { schema } = reading;
  for (const [index, family] of schema.families.entries()) {
    let column = schema.offsets[index] ?? 0;
    for (const point of family.points) {
      visit(family, point, column);
      column += pointWidth(family.kind, point.bounds.length);
    }
  }
}

/**
 * Describes a reading with one line per data point: `name{key=value,…} value`. The value of a histogram or summary
 * lists its parts. Control characters are escaped.
 */
export function describeNormal(reading: Reading): string {
  const lines: string[] = [];
  eachPoint(reading, (family, point, column) => {
    const labels = point.attributes.map(({ key, value }) => `${key}=${value}`).join(",");
    const series = `${family.name}${labels === "" ? "" : `{${labels}}`}`;
    lines.push(visible(`${series} ${numbers(family, point, reading.values, column)}`));
  });
  return lines.join("\n");
}

/**
 * Describes all of a reading: the resource, then each metric with its description and its points. Control characters
 * are escaped.
 */
export function describeDetailed(reading: Reading): string {
  const lines = [
    `Resource ${visible(reading.resource.key)}`,
    ...attributeLines(reading.resource.attributes, "     -> "),
  ];
  const time = `Timestamp: ${new Date(reading.timeMs).toISOString()}`;
  const start = reading.startMs === 0 ? [] : [`StartTimestamp: ${new Date(reading.startMs).toISOString()}`];
  let metric = 0;
  let previous: Family | undefined;
  let pointIndex = 0;
  eachPoint(reading, (family, point, column) => {
    if (family !== previous) {
      lines.push(
        `Metric #${metric++}`,
        "Descriptor:",
        `     -> Name: ${visible(family.name)}`,
        `     -> Description: ${visible(family.help)}`,
        `     -> Unit: ${visible(family.unit)}`,
        `     -> DataType: ${family.kind}`,
      );
      previous = family;
      pointIndex = 0;
    }
    lines.push(`DataPoint #${pointIndex++}`, ...attributeLines(point.attributes, "     -> "));
    lines.push(...start, time, visible(`Value: ${numbers(family, point, reading.values, column)}`));
  });
  return lines.join("\n");
}

function attributeLines(attributes: Attributes, indent: string): string[] {
  return attributes.map(({ key, value }) => `${indent}${visible(`${key}: ${value}`)}`);
}

function numbers(family: Family, point: Point, values: Float64Array, column: number): string {
  if (family.kind !== "histogram" && family.kind !== "summary") return String(values[column]);
  const mark = family.kind === "histogram" ? "le" : "q";
  const parts = point.boundTexts.map((text, index) => `${mark}${text}=${values[column + index]}`);
  const afterBounds = column + point.bounds.length + (family.kind === "histogram" ? 1 : 0);
  return [`count=${values[afterBounds + 1]}`, `sum=${values[afterBounds]}`, ...parts].join(" ");
}
