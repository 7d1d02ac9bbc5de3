// SPDX-License-Identifier: Apache-2.0
import { reasonOf } from "../files/read_file.ts";
import type { Fault } from "./fault.ts";
import type { ConfigNode } from "./node.ts";
import { parseYaml } from "./yaml.ts";

/** The parts of a config, and how to read them. */
export interface ConfigSource {
  /** The values of `--config`: paths or URIs of the schemes file, env and yaml. Merged from left to right. */
  readonly uris: readonly string[];
  /** The values of `--set`, such as `a.b=v`. Applied after all `uris`. */
  readonly sets: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * Reads a file. The function may stop reading after `CONFIG_BYTES_MAX` + 1 bytes, which are enough to see that there
   * are too many.
   */
  readFile(path: string): Promise<Uint8Array>;
}

/** Returns the tree of each source, in the order of merging. Adds a fault for each source that cannot be read. */
export async function readSources(source: ConfigSource, faults: Fault[]): Promise<readonly ConfigNode[]> {
  const trees: (ConfigNode | undefined)[] = [];
  for (const uri of source.uris) trees.push(await readUri(uri, source, faults));
  for (const set of source.sets) trees.push(readSet(set, faults));
  return trees.filter((tree) => tree !== undefined);
}

async function readUri(uri: string, source: ConfigSource, faults: Fault[]): Promise<ConfigNode | undefined> {
  const [, scheme = "file", rest = uri] = /^([A-Za-z][A-Za-z0-9+.-]+):(.*)$/s.exec(uri) ?? [];
  const fail = (why: string): undefined => {
    faults.push({ origin: undefined, path: [], message: `cannot read config "${uri}": ${why}` });
  };
  switch (scheme) {
    case "file":
      try {
        return parseYaml(rest, await source.readFile(rest), faults);
      } catch (error) {
        return fail(reasonOf(error));
      }
    case "env": {
      const text = Object.hasOwn(source.env, rest) ? source.env[rest] : undefined;
      return text === undefined
        ? fail("the environment variable is not set")
        : parseYaml(uri, Buffer.from(text), faults);
    }
    case "yaml":
      return readInline(rest, faults);
    default:
      return fail(`scheme "${scheme}" is not supported; there are file, env and yaml`);
  }
}

/** Reads a value of `yaml:`. As in the Collector, `a::b: v` is short for nested maps. */
function readInline(text: string, faults: Fault[]): ConfigNode | undefined {
  const [, keys, value = ""] = /^([^\s:]+(?:::[^\s:]+)+):(?:\s+(.*))?$/s.exec(text) ?? [];
  if (keys === undefined) return parseYaml("yaml", Buffer.from(text), faults);
  return wrap(keys.split("::"), parseYaml(`yaml:${keys}`, Buffer.from(value), faults));
}

/** Reads a value of `--set`: `a.b=v`, or `a::b=v` if a key has a dot in it. */
function readSet(set: string, faults: Fault[]): ConfigNode | undefined {
  const equals = set.indexOf("=");
  if (equals < 1) {
    const message = `invalid value "${set}" for flag --set: missing equal sign; write --set a.b=value`;
    faults.push({ origin: undefined, path: [], message });
    return undefined;
  }
  const keys = set.slice(0, equals);
  const value = parseYaml(`--set ${keys}`, Buffer.from(set.slice(equals + 1)), faults);
  return wrap(keys.split(keys.includes("::") ? "::" : "."), value);
}

function wrap(keys: readonly string[], value: ConfigNode | undefined): ConfigNode | undefined {
  if (value === undefined) return undefined;
  const { origin } = value;
  return keys.reduceRight<ConfigNode>(
    (inner, key) => ({ kind: "map", origin, entries: new Map([[key, { keyOrigin: origin, value: inner }]]) }),
    value,
  );
}
