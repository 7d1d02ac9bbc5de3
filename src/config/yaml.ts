import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLError } from "yaml";
import type { Fault, Origin } from "./fault.ts";
import type { ConfigNode, Entry } from "./node.ts";

/** A config is written by people: more than this is a mistake, and parsing it would hold up the start for seconds. */
export const CONFIG_BYTES_MAX: number = 1024 * 1024;
/** What a document may grow to when its aliases are followed. */
const NODES_MAX = 20_000;

const ERROR_TEXT: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: "this key stands twice in one map",
  TAB_AS_INDENT: "a tab cannot indent YAML; use spaces",
  MULTIPLE_DOCS: 'the file holds several documents; a config is one, so remove the "---" between them',
};

/** Reads YAML into a tree. Faults are added to `faults`; the tree is undefined when there is none to go on with. */
export function parseYaml(file: string, bytes: Uint8Array, faults: Fault[]): ConfigNode | undefined {
  const whole = (message: string): void => {
    faults.push({ origin: { file, line: 1, column: 1, source: "" }, path: [], message });
  };
  if (bytes.length > CONFIG_BYTES_MAX) {
    whole(`cannot read the config: ${bytes.length} bytes, and the limit is ${CONFIG_BYTES_MAX}`);
    return undefined;
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    whole("cannot read the config: it is not UTF-8");
    return undefined;
  }
  return parseYamlText(file, text, faults);
}

/** As `parseYaml`, of a text. */
export function parseYamlText(file: string, text: string, faults: Fault[]): ConfigNode | undefined {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, keepSourceTokens: false });
  const lines = text.split("\n");
  const originAt = (offset: number): Origin => {
    const { line, col } = lineCounter.linePos(offset);
    return {
      file,
      line: Math.max(1, line),
      column: Math.max(1, col),
      source: (lines[line - 1] ?? "").trimEnd(),
    };
  };
  const problems: readonly YAMLError[] = [...document.errors, ...document.warnings];
  for (const { code, message, pos } of problems) {
    faults.push({
      origin: originAt(pos[0]),
      path: [],
      message: ERROR_TEXT[code] ?? `invalid YAML: ${message}`,
    });
  }
  if (problems.length > 0) return undefined;
  const before = faults.length;
  let budget = NODES_MAX;
  const fail = (offset: number, message: string): void => {
    faults.push({ origin: originAt(offset), path: [], message });
  };

  const convert = (node: Node | null, offset: number, depth: number): ConfigNode => {
    const origin = originAt(node?.range?.[0] ?? offset);
    if (--budget < 0 || depth > 100) {
      if (budget === -1 || depth === 101) {
        fail(
          offset,
          `the config is too large once its aliases are followed; the limit is ${NODES_MAX} values`,
        );
      }
      return { kind: "scalar", origin, value: null };
    }
    if (isAlias(node)) return convert(node.resolve(document) ?? null, node.range?.[0] ?? offset, depth + 1);
    if (isSeq(node)) {
      const items = node.items.map((item) =>
        convert(item as Node | null, origin.line === 0 ? offset : (node.range?.[0] ?? offset), depth + 1),
      );
      return { kind: "list", origin, items };
    }
    if (isMap(node)) {
      const entries = new Map<string, Entry>();
      for (const { key, value } of node.items) {
        const keyNode = key as Node;
        const keyOffset = keyNode.range?.[0] ?? offset;
        if (!isScalar(keyNode)) {
          fail(keyOffset, "a key must be a plain text");
          continue;
        }
        const name = String(keyNode.value ?? "");
        if (name === "<<")
          fail(
            keyOffset,
            'merge keys ("<<") are not supported; write the keys out, or give several --config',
          );
        entries.set(name, {
          keyOrigin: originAt(keyOffset),
          value: convert(value as Node | null, keyOffset, depth + 1),
        });
      }
      return { kind: "map", origin, entries };
    }
    const value = isScalar(node) ? node.value : null;
    if (
      value === null ||
      typeof value === "string" ||
      typeof value === "number" ||
      typeof value === "boolean"
    ) {
      return { kind: "scalar", origin, value };
    }
    return { kind: "scalar", origin, value: String(value) };
  };

  const root = convert(document.contents as Node | null, 0, 0);
  return faults.length > before ? undefined : root;
}
