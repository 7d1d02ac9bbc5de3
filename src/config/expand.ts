import type { Fault, Origin } from "./fault.ts";
import { type ConfigNode, type Entry, moveTo, type Path } from "./node.ts";
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
/** Of all that the references of one config stand for. */
const EXPANDED_CHARS_MAX = 4 * 1024 * 1024;
/** What a reference costs beside its text. */
const REFERENCE_CHARS = 100;
const ENV_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/**
 * Replaces every `${…}` in the values (never in keys) of the tree, by the Collector's rules, with one difference: a value
 * that comes out of the environment or a file is data, in which `$$` and `${` mean nothing.
 */
export async function expandTree(tree: ConfigNode, options: ExpandOptions): Promise<ConfigNode> {
  const context = {
    ...options,
    charsLeft: EXPANDED_CHARS_MAX,
    endlessAt: undefined,
    noted: new Set<string>(),
  };
  return await expandNode(tree, context, { path: [], depth: 0 });
}

interface Context extends ExpandOptions {
  charsLeft: number;
  /** The scalar that was last found to expand without an end: one fault about it is enough. */
  endlessAt: Origin | undefined;
  /** References whose values hold what looks like one, and about which a warning says so. */
  readonly noted: Set<string>;
}

interface At {
  readonly path: Path;
  /** Of references that led here. */
  readonly depth: number;
}

/** What a reference stands for, or what a text became. */
interface Expanded {
  readonly text: string;
  /** Whether some of it is data, and must not be expanded again. */
  readonly isData: boolean;
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
      return { kind: "scalar", origin, value: (await this.#inline(text, depth)).text };
    }
    const resolved = await this.#resolve(text.slice(2, end), depth);
    if (resolved === undefined) return { kind: "scalar", origin, value: null };
    // What is a text as YAML, or no YAML at all, is taken as it stands: `${env:PASSWORD}` may hold anything.
    const parsed = parseYamlText(origin.file, resolved.text, []);
    const isText = parsed === undefined || (parsed.kind === "scalar" && typeof parsed.value === "string");
    const node: ConfigNode = isText
      ? { kind: "scalar", origin, value: resolved.text }
      : moveTo(origin, parsed);
    if (resolved.isData) return isText ? node : { ...node, expandedFrom: resolved.text };
    const expanded = await expandNode(node, this.#context, { path: this.#path, depth: depth + 1 });
    if (isText || resolved.text.includes("${")) return expanded;
    return { ...expanded, expandedFrom: resolved.text.replaceAll("$$", "$") };
  }

  /** The text with every reference replaced by the text it stands for, and every `$$` by `$`. */
  async #inline(text: string, depth: number): Promise<Expanded> {
    let out = "";
    let isData = false;
    for (let at = 0; at < text.length; ) {
      const end = text.startsWith("${", at) ? closingBrace(text, at + 1) : -1;
      if (text.startsWith("$$", at)) {
        out += "$";
        at += 2;
      } else if (end >= 0) {
        const resolved = await this.#final(text.slice(at + 2, end), depth);
        out += resolved.text;
        isData ||= resolved.isData;
        at = end + 1;
      } else {
        // As in the Collector, "${" without its brace is a text; the value of `yaml:` may well mean it.
        if (depth === 0 && text.startsWith("${", at)) {
          this.#warn(`"\${" without its "}" is taken as it stands; write "$$" for a dollar sign`);
        }
        out += text[at++];
      }
    }
    return { text: out, isData };
  }

  /** The text of a reference within a text, with nothing left to expand. */
  async #final(reference: string, depth: number): Promise<Expanded> {
    const resolved = await this.#resolve(reference, depth);
    if (resolved === undefined) return { text: "", isData: false };
    return resolved.isData ? resolved : await this.#inline(resolved.text, depth + 1);
  }

  /** What a reference stands for; references within it come first. */
  async #resolve(reference: string, depth: number): Promise<Expanded | undefined> {
    const context = this.#context;
    if (context.charsLeft < 0 || context.endlessAt === this.#origin) return undefined;
    if (depth >= DEPTH_MAX) {
      context.endlessAt = this.#origin;
      return this.#fault("too many recursive expansions");
    }
    const inner = await this.#inline(reference, depth + 1);
    if (context.endlessAt === this.#origin) return undefined;
    const resolved = await this.#retrieve(inner);
    context.charsLeft -= REFERENCE_CHARS + (resolved?.text.length ?? 0);
    if (context.charsLeft >= 0) return resolved;
    return this.#fault(
      `the config is too large once it is expanded; the limit is ${EXPANDED_CHARS_MAX} characters`,
    );
  }

  async #retrieve({ text: reference, isData }: Expanded): Promise<Expanded | undefined> {
    const [, scheme = "env", rest = reference] =
      /^([A-Za-z][A-Za-z0-9+.-]+):(?!-)(.*)$/s.exec(reference) ?? [];
    switch (scheme) {
      case "env":
        return this.#environment(rest);
      case "file":
        return this.#noted(`file:${rest}`, await this.#file(rest));
      case "yaml":
        return { text: rest, isData };
      default:
        return this.#fault(`scheme "${scheme}" is not supported in "\${…}"; there are env, file and yaml`);
    }
  }

  #environment(reference: string): Expanded | undefined {
    const [, name = reference, fallback] = /^([^:]*):-(.*)$/s.exec(reference) ?? [];
    const { env } = this.#context;
    if (!ENV_NAME.test(name)) {
      return this.#fault(
        `environment variable "${name}" has invalid name: must match regex ${ENV_NAME.source}`,
      );
    }
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    if (value !== undefined) return this.#noted(`env:${name}`, value);
    if (fallback === undefined) {
      this.#warn(`environment variable "${name}" is not set and has no default as in "\${env:${name}:-x}"`);
      return undefined;
    }
    // It is a part of the reference, in which everything has been expanded.
    return { text: fallback, isData: true };
  }

  /** A value that is data. Whoever relied on references in it hears that they are none. */
  #noted(reference: string, text: string | undefined): Expanded | undefined {
    if (text === undefined) return undefined;
    const { noted } = this.#context;
    if (/\$[${]/.test(text) && !noted.has(reference)) {
      noted.add(reference);
      this.#warn(
        `the value of "\${${reference}}" holds "$$" or "\${", which stay as they are: only what the config itself says is expanded`,
      );
    }
    return { text, isData: true };
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
