// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { visible } from "../../text/visible.ts";

/** The style sheet of all pages. A browser applies it because the Content-Security-Policy names its hash. */
const STYLE = `
:root{color-scheme:light dark;--line:#d0d7de;--muted:#59636e;--bad:#b3261e;--odd:#8a5a00;--well:#1a7f37}
@media(prefers-color-scheme:dark){:root{--line:#3d444d;--muted:#9198a1;--bad:#ff7b72;--odd:#e3b341;--well:#3fb950}}
body{font:14px/1.45 system-ui,sans-serif;margin:1rem;overflow-wrap:anywhere}
h1{font-size:1.3rem;margin:.2rem 0}
code{font:12px/1.45 ui-monospace,monospace}
small,.place{color:var(--muted)}
table{border-collapse:collapse;width:100%}
th{font-weight:600;text-align:left}
th,td{padding:.15rem .8rem .15rem 0;vertical-align:top}
tbody{border-top:1px solid var(--line)}
td small,.place{display:block}
.bad{color:var(--bad);font-weight:600}
.odd{color:var(--odd);font-weight:600}
.well{color:var(--well)}
.id{user-select:all}
@media(max-width:60rem){
thead{display:none}
table,tbody,tr,td{display:block}
tbody{padding:.4rem 0}
td{padding:0}
td:empty{display:none}
td[data-name]::before{content:attr(data-name) " ";color:var(--muted)}
td small{display:inline}
}`;

/** The hash of the style sheet in the form of a Content-Security-Policy. */
export const STYLE_HASH: string = `sha256-${createHash("sha256").update(STYLE).digest("base64")}`;

/** Makes a whole page. `body` is HTML; the title is plain text. */
export function htmlPage(title: string, body: string): string {
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(title)}</title><style>${STYLE}</style>`;
  return `<!doctype html>\n<html lang="en"><head>${head}</head><body><h1>${escapeHtml(title)}</h1>${body}</body></html>\n`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * Escapes a text for use between tags and in quoted attributes. Hidden characters are written as `visible` writes
 * them.
 */
export function escapeHtml(text: string): string {
  return visible(text).replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

/** Makes links to the pages about one sandbox. */
export function shimLinks(id: string): string {
  const query = encodeURIComponent(id);
  return `<a href="/metrics?sandbox=${query}">metrics</a>, <a href="/agent-url?sandbox=${query}">agent-url</a>`;
}
