import type { SandboxStatus } from "../../component/sandboxes.ts";

/** Where kata-monitor's users look, and what they find there. */
const ENDPOINTS: readonly (readonly [path: string, what: string])[] = [
  [
    "/metrics",
    "metrics of all sandboxes; ?sandbox=ID for what one shim serves, ?filter_family=A,B for families that begin so",
  ],
  ["/sandboxes", "the sandboxes whose shims run; ?verbose for all of them, with their states"],
  ["/agent-url", "?sandbox=ID: where the guest agent of a sandbox listens"],
];

export function indexText(): string {
  return `kata-collector\n\n${ENDPOINTS.map(([path, what]) => `${path.padEnd(12)} ${what}\n`).join("")}`;
}

export function indexHtml(): string {
  const rows = ENDPOINTS.map(([path, what]) => `<li><a href="${path}">${path}</a> ${escapeHtml(what)}</li>`);
  return page("kata-collector", `<ul>${rows.join("")}</ul>`);
}

/** One id a line. */
export function idsText(sandboxes: readonly SandboxStatus[]): string {
  return ids(sandboxes)
    .map((id) => `${id}\n`)
    .join("");
}

export function idsHtml(sandboxes: readonly SandboxStatus[]): string {
  const rows = ids(sandboxes).map((id) => `<li>${links(id)}</li>`);
  return page(
    "Sandboxes",
    `<p><a href="/sandboxes?verbose">with their states</a></p><ul>${rows.join("")}</ul>`,
  );
}

const COLUMNS: readonly (readonly [title: string, cell: (status: SandboxStatus) => string])[] = [
  ["SANDBOX", ({ id }) => id],
  ["STATE", ({ state }) => state],
  ["RUNTIME", ({ runtime }) => runtime],
  [
    "LAST ANSWER",
    ({ lastAnswerMs }) => (lastAnswerMs === undefined ? "never" : new Date(lastAnswerMs).toISOString()),
  ],
  ["DIRECTORY", ({ directory }) => directory],
  ["REASON", ({ code, reason }) => (code === "" ? "" : `${code}: ${reason}`)],
];

/** A table of all sandboxes, whatever their state. */
export function statesText(sandboxes: readonly SandboxStatus[]): string {
  const rows = [COLUMNS.map(([title]) => title), ...cells(sandboxes)];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => printable(cell).padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

export function statesHtml(sandboxes: readonly SandboxStatus[]): string {
  const head = COLUMNS.map(([title]) => `<th>${title.toLowerCase()}</th>`).join("");
  const rows = cells(sandboxes).map(
    (row) =>
      `<tr>${row.map((cell, column) => `<td>${column === 0 ? links(cell) : escapeHtml(printable(cell))}</td>`).join("")}</tr>`,
  );
  return page("Sandboxes", `<table><tr>${head}</tr>${rows.join("")}</table>`);
}

function cells(sandboxes: readonly SandboxStatus[]): string[][] {
  return sandboxes
    .toSorted((a, b) => (a.directory < b.directory ? -1 : 1))
    .map((status) => COLUMNS.map(([, cell]) => cell(status)));
}

/** Two roots may have a sandbox of one id. */
function ids(sandboxes: readonly SandboxStatus[]): string[] {
  return [...new Set(sandboxes.map(({ id }) => id))].sort();
}

function links(id: string): string {
  const [text, query] = [escapeHtml(id), encodeURIComponent(id)];
  return `${text}: <a href="/metrics?sandbox=${query}">metrics</a>, <a href="/agent-url?sandbox=${query}">agent-url</a>`;
}

/** Reasons quote what shims and files say. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?");
}

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>${body}</html>\n`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
