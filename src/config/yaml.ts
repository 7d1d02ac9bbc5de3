// SPDX-License-Identifier: Apache-2.0
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  type YAMLMap,
  type Node as YamlNode,
} from "yaml";
import { FILE_BYTES_MAX } from "../files/read_file.ts";
import type { ConfigOrigin, Fault } from "./fault.ts";
import type { ConfigNode, MapEntry, ScalarNode } from "./node.ts";
import { SENSITIVE_NAME } from "./secrets.ts";
import { syntaxFaults, TAGS_TEXT } from "./syntax.ts";

/**
 * The limit on one file, in bytes. People write configs, so more is a mistake, and parsing it would delay the start for
 * seconds.
 */
export const CONFIG_BYTES_MAX: number = FILE_BYTES_MAX;
/** The limit on the values of a document. Each alias counts as all values that it stands for. */
const NODES_MAX = 20_000;
const DEPTH_MAX = 100;
/** Matches tags that name a plain type, such as the one that makes a text of a number. */
const PLAIN_TAG = /^tag:yaml\.org,2002:(str|int|float|bool|null|seq|map)$/;

/** Parses YAML into a tree. If anything is wrong, adds it to `faults` and returns undefined. */
export function parseYaml(file: string, bytes: Uint8Array, faults: Fault[]): ConfigNode | undefined {
  const whole = (message: string): undefined => {
    faults.push({ origin: { file, line: 1, column: 1, source: "" }, path: [], message });
  };
  if (bytes.length > CONFIG_BYTES_MAX) {
    return whole(`cannot read the config: it has more than ${CONFIG_BYTES_MAX} bytes, which is the limit`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return whole("cannot read the config: it is not UTF-8");
  }
  return parseYamlText(file, text, faults);
}

/** Like `parseYaml`, for a text. */
export function parseYamlText(file: string, text: string, faults: Fault[]): ConfigNode | undefined {
  // The package `yaml` would compare each key with all others of its map. `mapNode` finds equal keys by looking them
  // up.
  const options = { prettyErrors: false, uniqueKeys: false, version: "1.2" } as const;
  const document = parseDocument(text, options);
  const before = faults.length;
  const lines = text.split("\n");
  const source: Source = {
    file,
    lines,
    lineStarts: startsOf(lines),
    faults,
    anchors: new Map(),
    nodesLeft: NODES_MAX,
    deepest: 0,
  };
  reportSyntax(source, document);
  if (faults.length > before) return undefined;
  const root = toNode(source, document.contents, { offset: 0, depth: 0 });
  return faults.length > before ? undefined : root;
}

/** A document while it is turned into a tree. */
interface Source {
  readonly file: string;
  readonly lines: readonly string[];
  readonly lineStarts: readonly number[];
  readonly faults: Fault[];
  /** The nodes with anchors so far. An alias shares the node, so it costs no memory, but counts against the limits. */
  readonly anchors: Map<
    string,
    { readonly node: ConfigNode; readonly size: number; readonly height: number }
  >;
  nodesLeft: number;
  deepest: number;
}

function originAt({ file, lines, lineStarts }: Source, offset: number): ConfigOrigin {
  let low = 0;
  for (let high = lineStarts.length; high - low > 1; ) {
    const middle = (low + high) >> 1;
    if ((lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle;
  }
  const source = (lines[low] ?? "").trimEnd();
  return { file, line: low + 1, column: offset - (lineStarts[low] ?? 0) + 1, source };
}

/**
 * Returns the offset of each line. The line counter of the package `yaml` misses lines in texts that it cannot parse.
 */
function startsOf(lines: readonly string[]): readonly number[] {
  let next = 0;
  return lines.map((line) => {
    const start = next;
    next += line.length + 1;
    return start;
  });
}

function fail(source: Source, offset: number, message: string): void {
  source.faults.push({ origin: originAt(source, offset), path: [], message });
}

function reportSyntax(source: Source, document: Document.Parsed): void {
  for (const { offset, message } of syntaxFaults(document)) {
    const origin = originAt(source, offset);
    // Nobody knows yet where a value ends, so a line that seems to hold a secret is not shown at all.
    const shown = SENSITIVE_NAME.test(origin.source) ? { ...origin, source: "" } : origin;
    source.faults.push({ origin: shown, path: [], message });
  }
}

interface At {
  /** The offset to report for an empty node, which has none of its own. */
  readonly offset: number;
  readonly depth: number;
}

function toNode(source: Source, node: unknown, at: At): ConfigNode {
  const yamlNode = node as YamlNode | null; // parseDocument puts nothing else into maps and lists.
  const offset = yamlNode?.range?.[0] ?? at.offset;
  const anchor = isAlias(yamlNode) ? undefined : yamlNode?.anchor;
  if (anchor === undefined) return plainNode(source, yamlNode, { ...at, offset });
  const { nodesLeft, deepest } = source;
  source.deepest = at.depth;
  const converted = plainNode(source, yamlNode, { ...at, offset });
  const size = nodesLeft - source.nodesLeft;
  source.anchors.set(anchor, { node: converted, size, height: source.deepest - at.depth });
  source.deepest = Math.max(deepest, source.deepest);
  return converted;
}

function plainNode(source: Source, node: YamlNode | null, { offset, depth }: At): ConfigNode {
  const origin = originAt(source, offset);
  const empty: ScalarNode = { kind: "scalar", origin, value: null };
  if (!spend(source, { size: 1, depth, offset })) return empty;
  if (isAlias(node)) {
    const known = source.anchors.get(node.source);
    if (known === undefined) {
      fail(source, offset, `alias "*${node.source}" has no anchor "&${node.source}" that ends before it`);
      return empty;
    }
    const fits = spend(source, { size: known.size, depth: depth + known.height, offset });
    return fits ? known.node : empty;
  }
  if (node?.tag !== undefined && !PLAIN_TAG.test(node.tag)) {
    fail(source, offset, TAGS_TEXT);
    return empty;
  }
  if (isSeq(node)) {
    const items = node.items.map((item) => toNode(source, item, { offset, depth: depth + 1 }));
    return { kind: "list", origin, items };
  }
  if (isMap(node)) return mapNode(source, node, { offset, depth });
  const value = isScalar(node) ? node.value : null;
  const known = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  return known ? { kind: "scalar", origin, value } : empty;
}

function mapNode(source: Source, node: YAMLMap, { offset, depth }: At): ConfigNode {
  const entries = new Map<string, MapEntry>();
  for (const { key, value } of node.items) {
    const keyNode = key as YamlNode; // parseDocument makes a node even of an empty key.
    const keyOffset = keyNode.range?.[0] ?? offset;
    if (!isScalar(keyNode) || keyNode.value === null) {
      fail(source, keyOffset, "a key must be a plain text");
      continue;
    }
    const name = typeof keyNode.value === "string" ? keyNode.value : (keyNode.source ?? "");
    const twin = entries.get(name);
    if (name === "<<") {
      fail(
        source,
        keyOffset,
        'merge keys ("<<") are not supported; write the keys out, or give several --config',
      );
    } else if (twin !== undefined) {
      fail(source, keyOffset, `key "${name}" stands twice in one map, first in line ${twin.keyOrigin.line}`);
    }
    const child = toNode(source, value, { offset: keyOffset, depth: depth + 1 });
    entries.set(name, { keyOrigin: originAt(source, keyOffset), value: child });
  }
  return { kind: "map", origin: originAt(source, offset), entries };
}

/**
 * Counts `size` more nodes, the deepest of them at `depth`, against the limits. Returns whether the document is still
 * within the limits. Adds a fault the first time it is not.
 */
function spend(source: Source, { size, depth, offset }: At & { readonly size: number }): boolean {
  if (source.nodesLeft < 0) return false;
  source.nodesLeft -= size;
  source.deepest = Math.max(source.deepest, depth);
  if (source.nodesLeft >= 0 && depth <= DEPTH_MAX) return true;
  source.nodesLeft = -1;
  const why =
    depth > DEPTH_MAX
      ? `the config is nested too deeply; the limit is ${DEPTH_MAX} levels`
      : `the config is too large, its aliases followed; the limit is ${NODES_MAX} values`;
  fail(source, offset, why);
  return false;
}
