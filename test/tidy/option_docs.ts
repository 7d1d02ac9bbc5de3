// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import type { ZodType } from "zod";
import { optionPlaces } from "../kit/component/options.ts";
import { ROOT } from "./sources.ts";

/** A README, what it names in code, and where its links to other READMEs of `src/` lead. */
interface Readme {
  readonly path: string;
  /** The texts between backticks, and the keys of the examples in YAML. */
  readonly named: ReadonlySet<string>;
  readonly links: readonly string[];
  /** The options that its tables name, as paths. */
  readonly options: readonly (readonly string[])[];
}

const known = new Map<string, Readme>();

/** Reads a README; `path` is relative to the project's root. */
export function readReadme(path: string): Readme {
  const before = known.get(path);
  if (before !== undefined) return before;
  const text = readFileSync(join(ROOT, path), "utf8");
  const readme: Readme = {
    path,
    named: new Set([...spans(text).flatMap((span) => span.match(/[a-z0-9_]+/g) ?? []), ...yamlKeys(text)]),
    links: Array.from(text.matchAll(/\]\(([^)#\s]+README\.md)(?:#[^)]*)?\)/g), ([, target = ""]) =>
      normalize(join(dirname(path), target)),
    ).filter((target) => target.startsWith("src/") && existsSync(join(ROOT, target))),
    options: tableOptions(text),
  };
  known.set(path, readme);
  return readme;
}

function spans(text: string): string[] {
  return Array.from(text.matchAll(/`([^`\n]+)`/g), ([, span = ""]) => span);
}

function yamlKeys(text: string): string[] {
  return Array.from(text.matchAll(/^```yaml\n([\s\S]*?)^```/gm), ([, yaml = ""]) => yaml).flatMap((yaml) =>
    Array.from(yaml.matchAll(/([a-z0-9_]+):/g), ([, key = ""]) => key),
  );
}

/**
 * The options that tables name in their first column, where its head is "option" or ends with "::", as in
 * "`sending_queue::`": then that is where the options are. A cell names options in code, separated by anything, as paths
 * with "::" and braces: `tls::{cert_file,key_file}`.
 */
function tableOptions(text: string): (readonly string[])[] {
  const found: (readonly string[])[] = [];
  let prefix: string | undefined;
  for (const line of text.split("\n")) {
    const [, cell] = /^\|((?:[^|\\`]|\\.|`[^`]*`)*)\|/.exec(line) ?? [];
    if (cell === undefined) {
      prefix = undefined;
      continue;
    }
    const head = cell.trim().replaceAll("`", "");
    if (prefix === undefined)
      prefix = head === "option" ? "" : /^[a-z_:]+::$/.test(head) ? head : "no options";
    else if (prefix !== "no options" && !/^[-: ]+$/.test(cell))
      for (const span of spans(cell)) found.push(...expanded(prefix + span));
  }
  return found;
}

/** `a::{b,c}` as `a::b` and `a::c`, each as a list of its keys. */
function expanded(option: string): string[][] {
  const [, before = "", inner = "", after = ""] = /^(.*?)\{([^}]*)\}(.*)$/.exec(option) ?? [];
  if (inner !== "") return inner.split(",").flatMap((one) => expanded(`${before}${one.trim()}${after}`));
  return [option.replace(/::$/, "").split("::")];
}

/** The options that a schema takes, as paths without the places in lists. Those that it only refuses are none. */
export function optionsOf(schema: ZodType): (readonly string[])[] {
  const refused = new Set<string>();
  const taken = new Set<string>();
  for (const { path, type } of optionPlaces(schema)) {
    const keys = path.filter((key) => key !== "0");
    for (let length = 1; length <= keys.length; length++) {
      const part = keys.slice(0, length).join("::");
      if (length === keys.length && type === "undefined") refused.add(part);
      else taken.add(part);
    }
  }
  return [...taken].filter((option) => !refused.has(option)).map((option) => option.split("::"));
}

/** Every option of the schema that neither the README nor one that it links to names. */
export function unnamedOptions(path: string, schema: ZodType): string[] {
  const own = readReadme(path);
  const readmes = [own, ...own.links.map(readReadme)];
  return optionsOf(schema)
    .filter((keys) => !readmes.some(({ named }) => named.has(keys.at(-1) ?? "")))
    .map((keys) => `${path}: does not name ${keys.join("::")}`);
}
