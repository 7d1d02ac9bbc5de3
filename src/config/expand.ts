import type { Fault, Origin } from "./fault.ts";
import type { ConfigNode, Entry, Path } from "./node.ts";
import { reasonOf } from "./read_file.ts";
import { CONFIG_BYTES_MAX, parseYamlText } from "./yaml.ts";

export interface ExpandOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readFile(path: string): Promise<Uint8Array>;
  readonly faults: Fault[];
  readonly warnings: Fault[];
}

/** How deep references may lead to references. */
const DEPTH_MAX = 100;
/** Of all that the references of one config stand for: a few that lead to each other multiply like aliases. */
const EXPANDED_CHARS_MAX = 4 * 1024 * 1024;
/** What a reference costs beside its text. */
const REFERENCE_CHARS = 100;
const ENV_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Replaces every `${…}` in the values (never in keys) of the tree, by the Collector's rules. */
export async function expandTree(tree: ConfigNode, options: ExpandOptions): Promise<ConfigNode> {
  const context = { ...options, charsLeft: EXPANDED_CHARS_MAX, endlessAt: undefined };
  return await expandNode(tree, context, { path: [], depth: 0 });
}

interface Context extends ExpandOptions {
  charsLeft: number;
  /** The scalar that was last found to expand without an end: one fault about it is enough. */
  endlessAt: Origin | undefined;
}

interface At {
  readonly path: Path;
  /** Of references that led here. */
  readonly depth: number;
}

async function expandNode(node: ConfigNode, context: Context, at: At): Promise<ConfigNode> {
  const under = (step: string | number): At => ({ ...at, path: [...at.path, step] });
  switch (node.kind) {
    case "map": {
      const entries = new Map<string, Entry>();
      for (const [key, entry] of node.entries) {
        entries.set(key, { ...entry, value: await expandNode(entry.value, context, under(key)) });
      }
      return { ...node, entries };
    }
    case "list": {
      const items: ConfigNode[] = [];
      for (const [index, item] of node.items.entries()) {
        items.push(await expandNode(item, context, under(index)));
      }
      return { ...node, items };
    }
    case "scalar": {
      if (typeof node.value !== "string" || !node.value.includes("$")) return node;
      return await new Expansion(node.origin, at.path, context).whole(node.value, at.depth);
    }
  }
}

/** The expansion of one scalar: knows its place for faults. */
class Expansion {
  readonly #origin: Origin;
  readonly #path: Path;
  readonly #context: Context;

  constructor(origin: Origin, path: Path, context: Context) {
    this.#origin = origin;
    this.#path = path;
    this.#context = context;
  }

  /** A scalar that is one reference takes the referenced value with its type; otherwise texts are put together. */
  async whole(text: string, depth: number): Promise<ConfigNode> {
    const origin = this.#origin;
    const end = text.startsWith("${") ? closingBrace(text, 1) : -1;
    if (end !== text.length - 1) {
      return { kind: "scalar", origin, value: await this.#inline(text, depth) };
    }
    const resolved = await this.#resolve(await this.#inline(text.slice(2, end), depth), depth);
    if (resolved === undefined) return { kind: "scalar", origin, value: null };
    // What is a text as YAML, or no YAML at all, is taken as it stands: `${env:PASSWORD}` may hold anything.
    const parsed = parseYamlText(origin.file, resolved, []);
    const isText = parsed === undefined || (parsed.kind === "scalar" && typeof parsed.value === "string");
    const node: ConfigNode = isText ? { kind: "scalar", origin, value: resolved } : moveTo(origin, parsed);
    const expanded = await expandNode(node, this.#context, { path: this.#path, depth: depth + 1 });
    if (isText || resolved.includes("${")) return expanded;
    return { ...expanded, expandedFrom: resolved.replaceAll("$$", "$") };
  }

  /** The text with every reference replaced by the text it stands for, and every `$$` by `$`. */
  async #inline(text: string, depth: number): Promise<string> {
    let out = "";
    for (let at = 0; at < text.length; ) {
      const end = text.startsWith("${", at) ? closingBrace(text, at + 1) : -1;
      if (text.startsWith("$$", at)) {
        out += "$";
        at += 2;
      } else if (end >= 0) {
        const reference = await this.#inline(text.slice(at + 2, end), depth + 1);
        const resolved = await this.#resolve(reference, depth);
        if (resolved !== undefined) out += await this.#inline(resolved, depth + 1);
        at = end + 1;
      } else {
        // As in the Collector, "${" without its brace is a text; in a variable's value it may well be meant.
        if (depth === 0 && text.startsWith("${", at)) {
          this.#warn(`"\${" without its "}" is taken as it stands; write "$$" for a dollar sign`);
        }
        out += text[at++];
      }
    }
    return out;
  }

  /** The text that a reference stands for. */
  async #resolve(reference: string, depth: number): Promise<string | undefined> {
    const context = this.#context;
    if (context.charsLeft < 0 || context.endlessAt === this.#origin) return undefined;
    if (depth >= DEPTH_MAX) {
      context.endlessAt = this.#origin;
      return this.#fault("too many recursive expansions");
    }
    const text = await this.#retrieve(reference);
    context.charsLeft -= REFERENCE_CHARS + (text?.length ?? 0);
    if (context.charsLeft >= 0) return text;
    return this.#fault(
      `the config is too large once it is expanded; the limit is ${EXPANDED_CHARS_MAX} characters`,
    );
  }

  async #retrieve(reference: string): Promise<string | undefined> {
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
        return this.#fault(`scheme "${scheme}" is not supported in "\${…}"; there are env, file and yaml`);
    }
  }

  #environment(reference: string): string | undefined {
    const [, name = reference, fallback] = /^([^:]*):-(.*)$/s.exec(reference) ?? [];
    const { env } = this.#context;
    if (!ENV_NAME.test(name)) {
      return this.#fault(
        `environment variable "${name}" has invalid name: must match regex ${ENV_NAME.source}`,
      );
    }
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    if (value === undefined && fallback === undefined) {
      this.#warn(`environment variable "${name}" is not set and has no default as in "\${env:${name}:-x}"`);
    }
    return value ?? fallback;
  }

  async #file(path: string): Promise<string | undefined> {
    try {
      const bytes = await this.#context.readFile(path);
      if (bytes.length > CONFIG_BYTES_MAX) {
        return this.#fault(`cannot read file "${path}": it has more than ${CONFIG_BYTES_MAX} bytes`);
      }
      // An editor ends the last line of a file, also that of a password.
      return new TextDecoder().decode(bytes).replace(/\r?\n$/, "");
    } catch (error) {
      return this.#fault(`cannot read file "${path}": ${reasonOf(error)}`);
    }
  }

  #fault(message: string): undefined {
    this.#context.faults.push({ origin: this.#origin, path: this.#path, message });
  }

  #warn(message: string): void {
    this.#context.warnings.push({ origin: this.#origin, path: this.#path, message });
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

/** What stands in a variable or another file is found by the reference to it. */
function moveTo(origin: Origin, node: ConfigNode): ConfigNode {
  switch (node.kind) {
    case "scalar":
      return { ...node, origin };
    case "list":
      return { ...node, origin, items: node.items.map((item) => moveTo(origin, item)) };
    case "map": {
      const entries = new Map<string, Entry>();
      for (const [key, { value }] of node.entries) {
        entries.set(key, { keyOrigin: origin, value: moveTo(origin, value) });
      }
      return { ...node, origin, entries };
    }
  }
}
