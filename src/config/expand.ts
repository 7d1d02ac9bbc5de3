// SPDX-License-Identifier: Apache-2.0
import { reasonOf } from "../files/read_file.ts";
import type { ConfigOrigin, Fault } from "./fault.ts";
import type { Foreign } from "./foreign.ts";
import { type ConfigNode, type MapEntry, moveTo, type Path } from "./node.ts";
import { CONFIG_BYTES_MAX, parseYamlText } from "./yaml.ts";

export interface ExpandOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readFile(path: string): Promise<Uint8Array>;
  readonly faults: Fault[];
  readonly warnings: Fault[];
  /** Hears of every value that comes out of the environment or a file. */
  readonly foreign: Foreign;
}

/** How deep references may lead to references. */
const DEPTH_MAX = 100;
/** Of all that the references of one config stand for. */
const EXPANDED_CHARS_MAX = 4 * 1024 * 1024;
/** What a reference costs beside its text. */
const REFERENCE_CHARS = 100;
/** A variable's name and its default. */
const DEFAULT = /^([^:]*):-(.*)$/s;
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
  endlessAt: ConfigOrigin | undefined;
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
  /** Whether some of it came out of the environment or a file, so that people are shown the reference in its place. */
  readonly isForeign: boolean;
}

async function expandNode(node: ConfigNode, context: Context, at: At): Promise<ConfigNode> {
  const under = (step: string | number): At => ({ ...at, path: [...at.path, step] });
  switch (node.kind) {
    case "map": {
      const entries = new Map<string, MapEntry>();
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
  readonly #origin: ConfigOrigin;
  readonly #path: Path;
  readonly #context: Context;

  constructor(origin: ConfigOrigin, path: Path, context: Context) {
    this.#origin = origin;
    this.#path = path;
    this.#context = context;
  }

  /** A scalar that is one reference takes the referenced value with its type; otherwise texts are put together. */
  async whole(text: string, depth: number): Promise<ConfigNode> {
    const origin = this.#origin;
    const end = text.startsWith("${") ? closingBrace(text, 1) : -1;
    if (end !== text.length - 1) {
      const inline = await this.#inline(text, depth);
      const node = { kind: "scalar", origin, value: inline.text } as const;
      return inline.isForeign ? this.#context.foreign.notePartly(node, text) : node;
    }
    const resolved = await this.#resolve(text.slice(2, end), depth);
    if (resolved === undefined) return { kind: "scalar", origin, value: null };
    // What is a text as YAML, or no YAML at all, is taken as it stands: `${env:PASSWORD}` may hold anything.
    const parsed = parseYamlText(origin.file, resolved.text, []);
    const isText = parsed === undefined || (parsed.kind === "scalar" && typeof parsed.value === "string");
    const node: ConfigNode = isText
      ? { kind: "scalar", origin, value: resolved.text }
      : moveTo(origin, parsed);
    if (resolved.isData) {
      const whole = isText ? node : { ...node, expandedFrom: resolved.text };
      return resolved.isForeign ? this.#context.foreign.noteWhole(whole, text) : whole;
    }
    const expanded = await expandNode(node, this.#context, { path: this.#path, depth: depth + 1 });
    if (isText || resolved.text.includes("${")) return expanded;
    return { ...expanded, expandedFrom: resolved.text.replaceAll("$$", "$") };
  }

  /** The text with every reference replaced by the text it stands for, and every `$$` by `$`. */
  async #inline(text: string, depth: number): Promise<Expanded> {
    let out = "";
    let isData = false;
    let isForeign = false;
    for (let at = 0; at < text.length; ) {
      const end = text.startsWith("${", at) ? closingBrace(text, at + 1) : -1;
      if (text.startsWith("$$", at)) {
        out += "$";
        at += 2;
      } else if (end >= 0) {
        const resolved = await this.#final(text.slice(at + 2, end), depth);
        out += resolved.text;
        isData ||= resolved.isData;
        isForeign ||= resolved.isForeign;
        at = end + 1;
      } else {
        // As in the Collector, "${" without its brace is a text; the value of `yaml:` may well mean it.
        if (depth === 0 && text.startsWith("${", at)) {
          this.#warn(`"\${" without its "}" is taken as it stands; write "$$" for a dollar sign`);
        }
        out += text[at++];
      }
    }
    return { text: out, isData, isForeign };
  }

  /** The text of a reference within a text, with nothing left to expand. */
  async #final(reference: string, depth: number): Promise<Expanded> {
    const resolved = await this.#resolve(reference, depth);
    if (resolved === undefined) return { text: "", isData: false, isForeign: false };
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
    const resolved = await this.#retrieve(inner, reference);
    context.charsLeft -= REFERENCE_CHARS + (resolved?.text.length ?? 0);
    if (context.charsLeft >= 0) return resolved;
    return this.#fault(
      `the config is too large once it is expanded; the limit is ${EXPANDED_CHARS_MAX} characters`,
    );
  }

  /** `written` is the reference as it stands in the config: what is named where a value made the reference. */
  async #retrieve({ text, isData, isForeign }: Expanded, written: string): Promise<Expanded | undefined> {
    const [, scheme = "env", rest = text] = /^([A-Za-z][A-Za-z0-9+.-]+):(?!-)(.*)$/s.exec(text) ?? [];
    const named = isForeign ? written.replace(/^(env|file):/, "") : rest;
    switch (scheme) {
      case "env":
        return this.#environment(rest, named, isForeign);
      case "file":
        return this.#noted(`\${file:${named}}`, await this.#file(rest, named));
      case "yaml":
        return { text: rest, isData, isForeign };
      default:
        return this.#fault(
          `scheme "${isForeign ? written : scheme}" is not supported in "\${…}"; there are env, file and yaml`,
        );
    }
  }

  /** `named` is the reference for people to see. */
  #environment(reference: string, named: string, isForeign: boolean): Expanded | undefined {
    const [, name = reference, fallback] = DEFAULT.exec(reference) ?? [];
    const [, shown = named] = DEFAULT.exec(named) ?? [];
    const { env } = this.#context;
    if (!ENV_NAME.test(name)) {
      return this.#fault(
        `environment variable "${shown}" has invalid name: must match regex ${ENV_NAME.source}`,
      );
    }
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    if (value !== undefined) return this.#noted(`\${env:${shown}}`, value);
    if (fallback === undefined) {
      this.#warn(`environment variable "${shown}" is not set and has no default as in "\${env:${shown}:-x}"`);
      return undefined;
    }
    // It is a part of the reference, in which everything has been expanded.
    return { text: fallback, isData: true, isForeign };
  }

  /** A value that is data. Whoever relied on references in it hears that they are none. */
  #noted(reference: string, text: string | undefined): Expanded | undefined {
    if (text === undefined) return undefined;
    const { noted, foreign } = this.#context;
    foreign.noteText(text, reference);
    if (/\$[${]/.test(text) && !noted.has(reference)) {
      noted.add(reference);
      this.#warn(
        `the value of "${reference}" holds "$$" or "\${", which stay as they are: only what the config itself says is expanded`,
      );
    }
    return { text, isData: true, isForeign: true };
  }

  async #file(path: string, named: string): Promise<string | undefined> {
    try {
      const bytes = await this.#context.readFile(path);
      if (bytes.length > CONFIG_BYTES_MAX) {
        return this.#fault(`cannot read file "${named}": it has more than ${CONFIG_BYTES_MAX} bytes`);
      }
      // An editor ends the last line of a file, also that of a password.
      return new TextDecoder().decode(bytes).replace(/\r?\n$/, "");
    } catch (error) {
      return this.#fault(`cannot read file "${named}": ${reasonOf(error)}`);
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
