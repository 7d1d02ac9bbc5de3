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
  /** Gets every value that comes from the environment or a file. */
  readonly foreign: Foreign;
}

/** The limit on references within references. A reference that leads to itself reaches the limit, and gets a fault. */
const DEPTH_MAX = 100;
/**
 * In characters: the limit on the texts that all references of one config stand for together. Above it, the config has
 * a fault.
 */
const EXPANDED_CHARS_MAX = 4 * 1024 * 1024;
/**
 * The characters by which each reference counts against `EXPANDED_CHARS_MAX` in addition to its text, so that endless
 * references to empty texts reach the limit too.
 */
const REFERENCE_CHARS = 100;
/** Matches a variable's name and its default: `NAME:-default`. */
const DEFAULT = /^([^:]*):-(.*)$/s;
const ENV_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/**
 * Replaces every `${…}` in the values of the tree, never in its keys. The rules are the Collector's, with one difference: a
 * value from the environment or a file is data, in which `$$` and `${` have no meaning.
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
  /**
   * The place of the last scalar that reached `DEPTH_MAX`. It gets one fault, instead of one for each of its
   * references.
   */
  endlessAt: ConfigOrigin | undefined;
  /** The references whose values look like references themselves. Each gets one warning, however often it is used. */
  readonly noted: Set<string>;
}

interface At {
  readonly path: Path;
  /** How many references were replaced on the way to this node; 0 for a node of the config itself. */
  readonly depth: number;
}

/** The text that a reference or a text with references stands for. */
interface Expanded {
  readonly text: string;
  /** Whether a part of the text is data, in which `${…}` has no meaning. */
  readonly isData: boolean;
  /**
   * Whether a part of the text came from the environment or a file. Faults and logs then show the reference instead.
   */
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

/** The expansion of one scalar. It knows the scalar's place, for faults. */
class Expansion {
  readonly #origin: ConfigOrigin;
  readonly #path: Path;
  readonly #context: Context;

  constructor(origin: ConfigOrigin, path: Path, context: Context) {
    this.#origin = origin;
    this.#path = path;
    this.#context = context;
  }

  /**
   * Expands the scalar. If it is one reference and nothing else, the result has the type that YAML reads in the value,
   * such as a number or a list. Any other scalar becomes a text.
   */
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
    // A value that is a text in YAML, or no YAML at all, stays as it is: `${env:PASSWORD}` may hold anything.
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

  /** Returns the text with each reference replaced by the text that it stands for, and each `$$` by `$`. */
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
        // As in the Collector, "${" without its brace is a text. It is a likely mistake in the config itself only: a
        // value of `yaml:` may have it on purpose.
        if (depth === 0 && text.startsWith("${", at)) {
          this.#warn(`"\${" without its "}" is taken as it stands; write "$$" for a dollar sign`);
        }
        out += text[at++];
      }
    }
    return { text: out, isData, isForeign };
  }

  /** Returns the text of a reference that is a part of a text, completely expanded. */
  async #final(reference: string, depth: number): Promise<Expanded> {
    const resolved = await this.#resolve(reference, depth);
    if (resolved === undefined) return { text: "", isData: false, isForeign: false };
    return resolved.isData ? resolved : await this.#inline(resolved.text, depth + 1);
  }

  /**
   * Returns what a reference stands for, after the references inside its braces have been replaced. Undefined if the
   * reference has no value or is at fault.
   */
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

  /**
   * Returns what a reference without inner references stands for. `written` is the reference as it is in the config.
   * Faults quote it instead of `text` if a part of `text` came from a variable or a file.
   */
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

  /** `named` is the reference that faults and logs show, since `reference` may hold a value from outside. */
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
    // All references inside the default have been replaced by now, together with those in the rest of the reference. So
    // the default is data.
    return { text: fallback, isData: true, isForeign };
  }

  /**
   * Returns the text of a variable or a file as data. Warns once if the text looks like a reference, since it is not
   * expanded. Undefined if `text` is undefined.
   */
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
      // An editor puts a line feed at the end of a file, also of one with a password.
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

/** Returns the index of the brace that closes the one at index `open`, or -1 if none does. */
function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === "{" && text[at - 1] === "$") depth++;
    if (text[at] === "}" && --depth === 0) return at;
  }
  return -1;
}
