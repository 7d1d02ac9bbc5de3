// SPDX-License-Identifier: Apache-2.0
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { ROOT } from "./sources.ts";

/** Every document of the project, relative to its root. */
export const DOCUMENTS: readonly string[] = globSync(
  ["*.md", "{src,test,tools,docs,proto,examples,config}/**/*.md"],
  { cwd: ROOT },
).sort();

/** The document without what is in code: there, brackets and number signs mean other things. */
function prose(path: string): string {
  return readFileSync(join(ROOT, path), "utf8")
    .replaceAll(/^```[\s\S]*?^```/gm, "")
    .replaceAll(/<!--[\s\S]*?-->/g, "");
}

/** The names that links may have after a "#", made of the headings as GitHub makes them. */
function anchorsOf(path: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  const counts = new Map<string, number>();
  for (const [, heading = ""] of prose(path).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
      .replaceAll(" ", "-");
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}

/** Links of the document to files and headings of the project that lead nowhere. */
export function brokenLinks(path: string): string[] {
  const text = prose(path).replaceAll(/`[^`\n]*`/g, "``");
  return Array.from(text.matchAll(/\]\(([^)\s]+)(?: "[^"]*")?\)/g), ([, target = ""]) => target)
    .filter((target) => !/^[a-z][a-z+.-]*:/i.test(target))
    .flatMap((target) => {
      const [file = "", anchor] = target.split("#", 2);
      const to = file === "" ? path : normalize(join(dirname(path), decodeURIComponent(file)));
      if (!existsSync(join(ROOT, to))) return [`${path}: ${target}: there is no such file`];
      if (anchor === undefined) return [];
      if (statSync(join(ROOT, to)).isDirectory() || !to.endsWith(".md")) return [];
      return anchorsOf(to).has(anchor) ? [] : [`${path}: ${target}: there is no such heading`];
    });
}
