import type { Fault, Origin } from "./fault.ts";
import type { ConfigNode, Entry } from "./node.ts";
import { parseYamlText } from "./yaml.ts";

export interface ExpandOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readFile(path: string): Promise<Uint8Array>;
  readonly faults: Fault[];
  readonly warnings: Fault[];
}

/** How deep references may lead to references. */
const DEPTH_MAX = 100;
const ENV_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

type Path = readonly (string | number)[];

/** Replaces every `${…}` in the values (never in keys) of the tree, by the Collector's rules. */
export async function expandNode(
  node: ConfigNode,
  options: ExpandOptions,
  path: Path = [],
  depth = 0,
): Promise<ConfigNode> {
  switch (node.kind) {
    case "map": {
      const entries = new Map<string, Entry>();
      for (const [key, entry] of node.entries) {
        entries.set(key, { ...entry, value: await expandNode(entry.value, options, [...path, key], depth) });
      }
      return { ...node, entries };
    }
    case "list": {
      const items: ConfigNode[] = [];
      for (const [index, item] of node.items.entries()) {
        items.push(await expandNode(item, options, [...path, index], depth));
      }
      return { ...node, items };
    }
    case "scalar": {
      if (typeof node.value !== "string" || !node.value.includes("$")) return node;
      return await new Expansion(node.origin, path, options).whole(node.value, depth);
    }
  }
}

/** The expansion of one scalar: knows its place for faults. */
class Expansion {
  readonly #origin: Origin;
  readonly #path: Path;
  readonly #options: ExpandOptions;

  constructor(origin: Origin, path: Path, options: ExpandOptions) {
    this.#origin = origin;
    this.#path = path;
    this.#options = options;
  }

  /** A scalar that is one reference takes the referenced value with its type; otherwise texts are put together. */
  async whole(text: string, depth: number): Promise<ConfigNode> {
    const end = text.startsWith("${") ? closingBrace(text, 1) : -1;
    if (end !== text.length - 1) {
      return { kind: "scalar", origin: this.#origin, value: await this.#inline(text, depth) };
    }
    const resolved = await this.#resolve(await this.#inline(text.slice(2, end), depth), depth);
    if (resolved === undefined) return { kind: "scalar", origin: this.#origin, value: null };
    const faults: Fault[] = [];
    const parsed = parseYamlText(this.#origin.file, resolved, faults);
    // What is no YAML is a text, as in the Collector: `${env:PASSWORD}` may hold anything.
    if (faults.length > 0 || parsed === undefined) {
      return { kind: "scalar", origin: this.#origin, value: resolved, expandedFrom: resolved };
    }
    const placed = moveTo(this.#origin, parsed);
    const node = placed.kind === "scalar" ? { ...placed, expandedFrom: resolved } : placed;
    return await expandNode(node, this.#options, this.#path, depth + 1);
  }

  /** The text with every reference replaced by the text it stands for, and every `$$` by `$`. */
  async #inline(text: string, depth: number): Promise<string> {
    let out = "";
    for (let at = 0; at < text.length; ) {
      if (text.startsWith("$$", at)) {
        out += "$";
        at += 2;
      } else if (text.startsWith("${", at)) {
        const end = closingBrace(text, at + 1);
        if (end < 0) {
          this.#fault(`"\${" without its "}" in ${JSON.stringify(text)}; write "$$" for a dollar sign`);
          return out;
        }
        const resolved = await this.#resolve(await this.#inline(text.slice(at + 2, end), depth + 1), depth);
        out += resolved !== undefined && depth < DEPTH_MAX ? await this.#inline(resolved, depth + 1) : "";
        at = end + 1;
      } else {
        out += text[at++];
      }
    }
    return out;
  }

  async #resolve(reference: string, depth: number): Promise<string | undefined> {
    if (depth >= DEPTH_MAX) {
      this.#fault("too many recursive expansions");
      return undefined;
    }
    const [, scheme = "env", rest = reference] =
      /^([A-Za-z][A-Za-z0-9+.-]+):(?!-)(.*)$/s.exec(reference) ?? [];
    switch (scheme) {
      case "env":
        return this.#environment(rest);
      case "file":
        return await this.#file(rest);
      case "yaml":
        return rest;
      default:
        this.#fault(`scheme "${scheme}" is not supported in \${${reference}}; there are env, file and yaml`);
        return undefined;
    }
  }

  #environment(reference: string): string | undefined {
    const [, name = reference, fallback] = /^([^:]*):-(.*)$/s.exec(reference) ?? [];
    if (!ENV_NAME.test(name)) {
      this.#fault(`environment variable "${name}" has invalid name: must match regex ${ENV_NAME.source}`);
      return undefined;
    }
    const value = this.#options.env[name] ?? fallback;
    if (value === undefined) {
      const message = `environment variable "${name}" is not set; the value is null (\${env:${name}:-x} gives a default)`;
      this.#options.warnings.push({ origin: this.#origin, path: this.#path, message });
    }
    return value;
  }

  async #file(path: string): Promise<string | undefined> {
    try {
      return new TextDecoder().decode(await this.#options.readFile(path)).replace(/\r?\n$/, "");
    } catch (error) {
      this.#fault(`cannot read file "${path}": ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  #fault(message: string): void {
    this.#options.faults.push({ origin: this.#origin, path: this.#path, message });
  }
}

/** The index of the brace that closes the one at `open`, or -1. */
function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === "{" && text[at - 1] === "$") depth++;
    if (text[at] === "}" && --depth === 0) return at;
  }
  return -1;
}

function moveTo(origin: Origin, node: ConfigNode): ConfigNode {
  switch (node.kind) {
    case "scalar":
      return { ...node, origin };
    case "list":
      return { ...node, origin, items: node.items.map((item) => moveTo(origin, item)) };
    case "map": {
      const entries = new Map<string, Entry>();
      for (const [key, { value }] of node.entries)
        entries.set(key, { keyOrigin: origin, value: moveTo(origin, value) });
      return { ...node, origin, entries };
    }
  }
}
