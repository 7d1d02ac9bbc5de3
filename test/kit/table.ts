// SPDX-License-Identifier: Apache-2.0
import { cpus, totalmem } from "node:os";

/** Writes a table whose columns are as wide as their widest cells: names at the left, in the first one, then numbers. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ");
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}

/** Describes the machine in one line, without which a figure says little. */
export function describeMachine(): string {
  const [cpu] = cpus();
  const memoryGiB = (totalmem() / 1024 ** 3).toFixed(0);
  return `${cpus().length} × ${cpu?.model.trim() ?? "unknown CPU"}, ${memoryGiB} GiB, Node ${process.version}`;
}
