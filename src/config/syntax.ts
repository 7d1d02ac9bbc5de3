// SPDX-License-Identifier: Apache-2.0
import { type Document, isMap, isScalar, isSeq, visit, type YAMLError, type Node as YamlNode } from "yaml";

/**
 * A fault in the YAML of a text. `offset` is the index of a character in the text, of which `yaml.ts` makes a line and
 * a column.
 */
export interface SyntaxFault {
  readonly offset: number;
  readonly message: string;
}

/** The limit on the syntax faults of one document. Later faults are mostly consequences of the first ones. */
const FAULTS_MAX = 10;

export const TAGS_TEXT =
  'tags ("!name") are not supported; a config has plain texts, numbers, lists and maps';

const TEXT: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: "a tab cannot indent YAML; use spaces",
  MULTIPLE_DOCS: 'the file holds several documents; a config is one, so remove the "---" between them',
  TAG_RESOLVE_FAILED: TAGS_TEXT,
};

/** Returns the parser's errors and warnings about a document, in plain words. */
export function syntaxFaults(document: Document.Parsed): readonly SyntaxFault[] {
  const { yaml } = document.directives;
  if (yaml.explicit === true && yaml.version !== "1.2") {
    return [{ offset: 0, message: `a config is YAML 1.2, not ${yaml.version}; remove the %YAML line` }];
  }
  const errors: readonly YAMLError[] = [...document.errors, ...document.warnings];
  const tooDeep = errors.find(({ message }) => /call stack|stack overflow/i.test(message));
  if (tooDeep !== undefined) {
    return [{ offset: tooDeep.pos[0], message: "the config is nested too deeply" }];
  }
  const openings = new Set<number>();
  return errors.slice(0, FAULTS_MAX).map((error) => unclosed(document, error, openings) ?? plain(error));
}

function plain({ code, message, pos }: YAMLError): SyntaxFault {
  return { offset: pos[0], message: TEXT[code] ?? `invalid YAML: ${message}` };
}

/**
 * Moves the fault of an unclosed quote, list or map from its end, which may be the end of the file, to its beginning.
 * If several of them end at one place, the fault is about the innermost whose beginning is not in `reported`.
 */
function unclosed(
  document: Document.Parsed,
  { message, pos }: YAMLError,
  reported: Set<number>,
): SyntaxFault | undefined {
  const [, what] = /^(Missing closing|Flow sequence|Flow map)\b/.exec(message) ?? [];
  if (what === undefined) return undefined;
  let begin: number | undefined;
  visit(document, {
    Node(_, node) {
      if (node.range?.[1] !== pos[0] || !isUnclosed(what, node) || reported.has(node.range[0])) return;
      begin = node.range[0];
    },
  });
  if (begin === undefined) return undefined;
  reported.add(begin);
  if (what === "Missing closing") return { offset: begin, message: "this quote is never closed" };
  const [name, brace] = what === "Flow map" ? ["map", "}"] : ["list", "]"];
  return { offset: begin, message: `this ${name} has no "${brace}" that is indented deeper than its key` };
}

function isUnclosed(what: string, node: YamlNode): boolean {
  if (isScalar(node)) return what === "Missing closing" && node.type?.startsWith("QUOTE") === true;
  if (isSeq(node)) return what === "Flow sequence" && node.flow === true;
  return what === "Flow map" && isMap(node) && node.flow === true;
}
