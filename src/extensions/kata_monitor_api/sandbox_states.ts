// SPDX-License-Identifier: Apache-2.0
import type { SandboxStatus } from "../../kata/sandboxes.ts";
import { escapeHtml, htmlPage, shimLinks } from "./html.ts";
import { type SandboxRow, type ShownTime, sandboxRows } from "./sandbox_rows.ts";

/**
 * Writes two tables of all sandboxes, the worst first. The first has the state of each in columns for a terminal of 120
 * characters, with the reason last. The second has the exact times and the directories, which end with the whole ids.
 */
export function statesText(sandboxes: readonly SandboxStatus[], nowMs: number): string {
  const rows = sandboxRows(sandboxes, nowMs);
  const states = rows.map((row) => [
    row.pod ?? "-",
    row.state,
    row.since.age,
    row.lastAnswer === undefined ? "never" : row.lastAnswer.age,
    row.inRuntime,
    row.runtime,
    row.shortId,
    reasonText(row),
  ]);
  const places = rows.map((row) => [row.since.time, row.lastAnswer?.time ?? "never", row.directory]);
  return [
    textTable(["POD", "STATE", "SINCE", "ANSWERED", "LISTED", "RUNTIME", "SANDBOX", "REASON"], states),
    textTable(["SINCE", "LAST ANSWER", "DIRECTORY"], places),
  ].join("\n");
}

function reasonText({ reason, nextScrape }: SandboxRow): string {
  const next = nextScrape === undefined ? [] : [`next scrape in ${nextScrape.age}`];
  return [...(reason === "" ? [] : [reason]), ...next].join("; ");
}

/** Writes lines with aligned columns. The last column is not padded. */
function textTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [titles, ...rows];
  const widths = titles
    .slice(0, -1)
    .map((_, column) => lines.reduce((width, line) => Math.max(width, line[column]?.length ?? 0), 0));
  const render = (line: readonly string[]): string =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return lines.map((line) => `${render(line)}\n`).join("");
}

const COLUMNS: readonly (readonly [title: string, cell: (row: SandboxRow) => string])[] = [
  ["pod", ({ pod }) => (pod === undefined ? "<small>not named</small>" : `<b>${escapeHtml(pod)}</b>`)],
  ["state", ({ severity, state }) => `<span class="${severity}">${escapeHtml(state)}</span>`],
  ["since", ({ since }) => shownTimeHtml(since)],
  [
    "last answer",
    ({ lastAnswer }) => (lastAnswer === undefined ? "never" : shownTimeHtml(lastAnswer, " ago")),
  ],
  ["next scrape", ({ nextScrape }) => (nextScrape === undefined ? "" : `in ${shownTimeHtml(nextScrape)}`)],
  ["in runtime", ({ inRuntime }) => inRuntime],
  ["runtime", ({ runtime }) => escapeHtml(runtime)],
  ["sandbox", sandboxHtml],
];

/** Writes the sandboxes as HTML, the worst first: a table in a wide window, and a card for each sandbox in a narrow one. */
export function statesHtml(sandboxes: readonly SandboxStatus[], nowMs: number): string {
  const rows = sandboxRows(sandboxes, nowMs);
  const head = COLUMNS.map(([title]) => `<th>${title}</th>`).join("");
  const top = `<p>${escapeHtml(describeCounts(rows))} <small>${new Date(nowMs).toISOString()}</small> <a href="/">what there is</a></p>`;
  return htmlPage(
    "Sandboxes",
    `${top}<table><thead><tr>${head}</tr></thead>${rows.map(rowHtml).join("")}</table>`,
  );
}

/** Says how many sandboxes are in each state, the worst first. */
function describeCounts(rows: readonly SandboxRow[]): string {
  const counts = new Map<string, number>();
  for (const { state } of rows) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [`${rows.length} in all`, ...Array.from(counts, ([state, count]) => `${count} ${state}`)].join(", ");
}

function rowHtml(row: SandboxRow): string {
  const cells = COLUMNS.map(([title, cell]) => `<td data-name="${title}">${cell(row)}</td>`).join("");
  const more = `<td colspan="${COLUMNS.length}">${escapeHtml(row.reason)} ${placeHtml(row)}</td>`;
  return `<tbody><tr>${cells}</tr><tr>${more}</tr></tbody>`;
}

function shownTimeHtml({ age, time }: ShownTime, after = ""): string {
  return `${age}${after} <small>${time}</small>`;
}

function sandboxHtml({ id, shortId, hasShim }: SandboxRow): string {
  const short = `<code>${escapeHtml(shortId)}</code>`;
  return hasShim ? `${short} <small>${shimLinks(id)}</small>` : short;
}

/** Writes the directory, whose name is the id. A click on the id selects all of it. */
function placeHtml({ id, directory }: SandboxRow): string {
  const parent = directory.endsWith(`/${id}`) ? directory.slice(0, -id.length) : `${directory} `;
  return `<code class="place">${escapeHtml(parent)}<span class="id">${escapeHtml(id)}</span></code>`;
}
