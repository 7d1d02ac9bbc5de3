import type {
  ExporterFactory,
  ExtensionFactory,
  ProcessorFactory,
  ReceiverFactory,
} from "../component/component.ts";
import type { Catalog } from "./catalog.ts";
import { checkConfig } from "./check.ts";
import { expandNode } from "./expand.ts";
import type { Fault } from "./fault.ts";
import { type ConfigNode, mergeNodes } from "./node.ts";
import type { PipelineConfig, TelemetryConfig } from "./service.ts";
import { parseYaml, parseYamlText } from "./yaml.ts";

export interface ConfigSource {
  /** `--config`: paths or URIs of the schemes file, env and yaml; merged from left to right. */
  readonly uris: readonly string[];
  /** `--set a.b=v`: applied after all of them. */
  readonly sets: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readFile(path: string): Promise<Uint8Array>;
}

/** A configured component: its factory, and what the factory's schema made of the user's words. */
export interface ComponentConfig<F> {
  readonly id: string;
  readonly type: string;
  readonly factory: F;
  readonly config: unknown;
}

/** A config without a fault: everything it names is there. */
export interface AgentConfig {
  readonly receivers: ReadonlyMap<string, ComponentConfig<ReceiverFactory<unknown>>>;
  readonly processors: ReadonlyMap<string, ComponentConfig<ProcessorFactory<unknown>>>;
  readonly exporters: ReadonlyMap<string, ComponentConfig<ExporterFactory<unknown>>>;
  readonly extensions: ReadonlyMap<string, ComponentConfig<ExtensionFactory<unknown>>>;
  readonly service: {
    readonly extensions: readonly string[];
    readonly pipelines: ReadonlyMap<string, PipelineConfig>;
    readonly shutdownTimeoutMs: number;
    readonly telemetry: TelemetryConfig;
  };
}

export type LoadResult = { readonly warnings: readonly Fault[] } & (
  | { readonly ok: true; readonly config: AgentConfig; readonly tree: ConfigNode }
  | { readonly ok: false; readonly faults: readonly Fault[]; readonly tree?: ConfigNode }
);

/** Reads, merges, expands and checks a config. Never rejects: whatever is wrong is among the faults. */
export async function loadConfig(source: ConfigSource, catalog: Catalog): Promise<LoadResult> {
  const faults: Fault[] = [];
  const warnings: Fault[] = [];
  const tree = await readTree(source, { faults, warnings });
  if (tree === undefined) return { ok: false, faults, warnings };
  const checked = await checkConfig(tree, catalog);
  faults.push(...checked.faults);
  warnings.push(...checked.warnings);
  if (faults.length > 0 || checked.config === undefined) return { ok: false, faults, warnings, tree };
  return { ok: true, config: checked.config, warnings, tree };
}

interface Findings {
  readonly faults: Fault[];
  readonly warnings: Fault[];
}

/** The merged and expanded tree; undefined when a source could not be read as YAML. */
async function readTree(source: ConfigSource, findings: Findings): Promise<ConfigNode | undefined> {
  const { faults, warnings } = findings;
  const whole = (message: string): void => {
    faults.push({ origin: undefined, path: [], message });
  };
  if (source.uris.length === 0) {
    whole("at least one config flag must be provided: --config <file>");
    return undefined;
  }
  const trees: (ConfigNode | undefined)[] = [];
  for (const uri of source.uris) trees.push(await readUri(uri, source, faults));
  for (const set of source.sets) trees.push(readSet(set, faults));
  if (faults.length > 0) return undefined;

  const { env, readFile } = source;
  const expanded: ConfigNode[] = [];
  for (const tree of trees) {
    if (tree === undefined || (tree.kind === "scalar" && tree.value === null)) continue;
    const node = await expandNode(tree, { env, readFile, faults, warnings });
    if (node.kind === "map") expanded.push(node);
    else faults.push({ origin: node.origin, path: [], message: "a config must be a map at its top" });
  }
  const [first, ...rest] = expanded;
  if (first === undefined && faults.length === 0) whole("empty configuration file");
  return first === undefined ? undefined : rest.reduce(mergeNodes, first);
}

async function readUri(uri: string, source: ConfigSource, faults: Fault[]): Promise<ConfigNode | undefined> {
  const [, scheme = "file", rest = uri] = /^([A-Za-z][A-Za-z0-9+.-]+):(.*)$/s.exec(uri) ?? [];
  const fail = (message: string): undefined => {
    faults.push({ origin: undefined, path: [], message });
    return undefined;
  };
  switch (scheme) {
    case "file":
      try {
        return parseYaml(rest, await source.readFile(rest), faults);
      } catch (error) {
        return fail(
          `cannot read config "${rest}": ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    case "env": {
      const text = source.env[rest];
      if (text === undefined) return fail(`cannot read config "${uri}": the environment variable is not set`);
      return parseYamlText(uri, text, faults);
    }
    case "yaml":
      return readInline(uri, rest, faults);
    default:
      return fail(
        `cannot read config "${uri}": scheme "${scheme}" is not supported; there are file, env and yaml`,
      );
  }
}

/** `a::b: v` is short for nested maps, as the Collector has it. */
function readInline(file: string, text: string, faults: Fault[]): ConfigNode | undefined {
  const [, keys, value = ""] = /^([^\s:]+(?:::[^\s:]+)+):(?:\s+(.*))?$/s.exec(text) ?? [];
  if (keys === undefined) return parseYamlText(file, text, faults);
  return wrap(keys.split("::"), parseYamlText(file, value, faults));
}

function readSet(set: string, faults: Fault[]): ConfigNode | undefined {
  const equals = set.indexOf("=");
  if (equals < 1) {
    const message = `invalid value "${set}" for flag --set: missing equal sign; write --set a.b=value`;
    faults.push({ origin: undefined, path: [], message });
    return undefined;
  }
  return wrap(
    set.slice(0, equals).split(/\.|::/),
    parseYamlText(`--set ${set.slice(0, equals)}`, set.slice(equals + 1), faults),
  );
}

function wrap(keys: readonly string[], value: ConfigNode | undefined): ConfigNode | undefined {
  if (value === undefined) return undefined;
  const { origin } = value;
  return keys.reduceRight<ConfigNode>(
    (inner, key) => ({ kind: "map", origin, entries: new Map([[key, { keyOrigin: origin, value: inner }]]) }),
    value,
  );
}
