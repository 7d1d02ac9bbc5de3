// SPDX-License-Identifier: Apache-2.0
import type { SandboxStatus } from "../../kata/sandboxes.ts";
import { visible } from "../../text/visible.ts";
import { escapeHtml, htmlPage, shimLinks } from "./html.ts";
import { podNameOf } from "./sandbox_rows.ts";

/** The paths that kata-monitor's users know, with what they serve. */
const ENDPOINTS: readonly (readonly [path: string, what: string])[] = [
  [
    "/metrics",
    "metrics of all sandboxes; ?sandbox=ID for what one shim serves, ?filter_family=A,B for families that begin so",
  ],
  ["/sandboxes", "the sandboxes whose shims run"],
  ["/sandboxes?verbose", "all sandboxes with their pods, states and reasons, the worst first"],
  ["/agent-url", "?sandbox=ID: where the guest agent of a sandbox listens"],
];

/** The page "/" as text. */
export function indexText(): string {
  return `kata-collector\n\n${ENDPOINTS.map(([path, what]) => `${path.padEnd(20)} ${what}\n`).join("")}`;
}

/** The page "/" as HTML. */
export function indexHtml(): string {
  const rows = ENDPOINTS.map(([path, what]) => `<li><a href="${path}">${path}</a> ${escapeHtml(what)}</li>`);
  return htmlPage("kata-collector", `<ul>${rows.join("")}</ul>`);
}

/** The ids of the sandboxes, one a line. */
export function idsText(sandboxes: readonly SandboxStatus[]): string {
  return [...byId(sandboxes).keys()].map((id) => `${visible(id)}\n`).join("");
}

/** The ids of the sandboxes with their pods, and links to their metrics and agents, as HTML. */
export function idsHtml(sandboxes: readonly SandboxStatus[]): string {
  const rows = Array.from(byId(sandboxes), ([id, status]) => {
    const pod = podNameOf(status);
    const name = pod === undefined ? "" : `<b>${escapeHtml(pod)}</b> `;
    return `<li>${name}<code class="id">${escapeHtml(id)}</code>: ${shimLinks(id)}</li>`;
  });
  return htmlPage(
    "Sandboxes",
    `<p><a href="/sandboxes?verbose">all of them, with their states</a></p><ul>${rows.join("")}</ul>`,
  );
}

/** Sorts the sandboxes by id. Where two roots have a sandbox with the same id, one of them is kept. */
function byId(sandboxes: readonly SandboxStatus[]): Map<string, SandboxStatus> {
  const sorted = sandboxes.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return new Map(sorted.map((status) => [status.id, status]));
}
