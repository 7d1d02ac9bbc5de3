import type { Catalog, CatalogEntry, CatalogSection } from "./catalog.ts";
import { didYouMean, type Fault, type Origin } from "./fault.ts";
import { checkNode } from "./issues.ts";
import type { AgentConfig, ComponentConfig } from "./load.ts";
import { type ConfigNode, locate, type MapNode } from "./node.ts";
import { type PipelineConfig, pipelinesSchema, serviceSchema } from "./service.ts";

export interface CheckResult {
  readonly config: AgentConfig | undefined;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

const SECTIONS = ["receivers", "processors", "exporters", "extensions"] as const;
type Section = (typeof SECTIONS)[number];
const TOP_KEYS: readonly string[] = [...SECTIONS, "connectors", "service"];

const TYPE = /^[a-zA-Z][0-9a-zA-Z_]{0,62}$/;
const NAME_CHARS_MAX = 1024;
const NAME = /^[^\s\p{C}\p{S}]+$/u;

/** Checks a merged and expanded tree against the components of this build. Finds all that is wrong, not the first. */
export async function checkConfig(tree: ConfigNode, catalog: Catalog): Promise<CheckResult> {
  const check = new Check(tree, catalog);
  const config = await check.run();
  return {
    config: check.faults.length === 0 ? config : undefined,
    faults: check.faults,
    warnings: check.warnings,
  };
}

interface Factory {
  readonly schema: Parameters<typeof checkNode>[2];
}

class Check {
  readonly faults: Fault[] = [];
  readonly warnings: Fault[] = [];
  readonly #tree: ConfigNode;
  readonly #catalog: Catalog;
  /** Ids as the user wrote them, by section: what pipelines may refer to, even where their own config has faults. */
  readonly #configured: Record<Section, Set<string>> = {
    receivers: new Set(),
    processors: new Set(),
    exporters: new Set(),
    extensions: new Set(),
  };

  constructor(tree: ConfigNode, catalog: Catalog) {
    this.#tree = tree;
    this.#catalog = catalog;
  }

  async run(): Promise<AgentConfig | undefined> {
    this.#topKeys();
    const [receivers, processors, exporters, extensions] = await Promise.all([
      this.#section("receivers", this.#catalog.receivers),
      this.#section("processors", this.#catalog.processors),
      this.#section("exporters", this.#catalog.exporters),
      this.#section("extensions", this.#catalog.extensions),
    ]);
    for (const [section, word] of [
      ["receivers", "receiver"],
      ["exporters", "exporter"],
    ] as const) {
      if (this.#configured[section].size === 0)
        this.#fault([section], `no ${word} configuration specified in config`);
    }
    const { value: service, faults } = checkNode(this.#tree, ["service"], serviceSchema, "resource");
    this.faults.push(...faults);
    // A fault elsewhere in the section must not hide what is wrong with the pipelines.
    const byName =
      service?.pipelines ?? checkNode(this.#tree, ["service", "pipelines"], pipelinesSchema).value ?? {};
    this.#pipelines(byName);
    if (service === undefined) return undefined;
    this.#references(["service", "extensions"], "extensions", service.extensions);
    const pipelines = new Map(Object.entries(byName));
    return { receivers, processors, exporters, extensions, service: { ...service, pipelines } };
  }

  #fault(path: readonly (string | number)[], message: string, origin?: Origin): void {
    this.faults.push({ origin: origin ?? locate(this.#tree, path).origin, path, message });
  }

  #topKeys(): void {
    if (this.#tree.kind !== "map") return;
    for (const [key, { keyOrigin, value }] of this.#tree.entries) {
      if (!TOP_KEYS.includes(key)) {
        this.#fault(
          [key],
          `unknown key${didYouMean(key, TOP_KEYS) || `; the keys are ${TOP_KEYS.join(", ")}`}`,
          keyOrigin,
        );
      }
      if (key === "connectors" && value.kind === "map" && value.entries.size > 0) {
        this.#fault([key], "this build has no connectors", keyOrigin);
      }
    }
  }

  async #section<F extends Factory>(
    section: Section,
    catalog: CatalogSection<F>,
  ): Promise<ReadonlyMap<string, ComponentConfig<F>>> {
    const components = new Map<string, ComponentConfig<F>>();
    const map = this.#mapAt(section);
    const checks = [...(map?.entries ?? [])].map(async ([key, { keyOrigin }]) => {
      const id = key.trim();
      if (this.#configured[section].has(id)) {
        this.#fault([section, key], `duplicate name "${id}" after unmarshaling`, keyOrigin);
        return;
      }
      this.#configured[section].add(id);
      const found = this.#entry(id, { section, catalog, keyOrigin });
      if (found === undefined) return;
      const factory = await found.entry.load();
      const { value, faults } = checkNode<unknown>(this.#tree, [section, key], factory.schema);
      this.faults.push(...faults);
      if (faults.length === 0) components.set(id, { id, type: found.type, factory, config: value });
    });
    await Promise.all(checks);
    return components;
  }

  #mapAt(section: Section): MapNode | undefined {
    const entry = this.#tree.kind === "map" ? this.#tree.entries.get(section) : undefined;
    if (entry === undefined || (entry.value.kind === "scalar" && entry.value.value === null))
      return undefined;
    if (entry.value.kind === "map") return entry.value;
    this.#fault([section], "must be a map of component ids", entry.value.origin);
    return undefined;
  }

  #entry<F>(
    id: string,
    where: { section: Section; catalog: CatalogSection<F>; keyOrigin: Origin },
  ): { type: string; entry: CatalogEntry<F> } | undefined {
    const { section, catalog, keyOrigin } = where;
    const fail = (message: string): undefined => this.#fault([section, id], message, keyOrigin) as undefined;
    const slash = id.indexOf("/");
    const type = slash < 0 ? id : id.slice(0, slash);
    const name = slash < 0 ? undefined : id.slice(slash + 1);
    if (name === "") return fail(`in "${id}" id: the part after / should not be empty`);
    if (!TYPE.test(type)) return fail(`in "${id}" id: the type must match ${TYPE.source}`);
    if (name !== undefined && (name.length > NAME_CHARS_MAX || !NAME.test(name))) {
      return fail(`in "${id}" id: the name may have no spaces, control characters or symbols`);
    }
    const own = Object.hasOwn(catalog, type) ? catalog[type] : undefined;
    if (own !== undefined) return { type, entry: own };
    for (const [canonical, entry] of Object.entries(catalog)) {
      if (!entry.aliases.includes(type)) continue;
      const message = `"${type}" is an older name of "${canonical}"; both work`;
      this.warnings.push({ origin: keyOrigin, path: [section, id], message });
      return { type: canonical, entry };
    }
    const known = Object.keys(catalog).sort();
    return fail(
      `unknown type: "${type}" for id: "${id}" (valid values: [${known.join(" ")}])${didYouMean(type, known)}`,
    );
  }

  #pipelines(pipelines: Readonly<Record<string, PipelineConfig>>): void {
    if (Object.keys(pipelines).length === 0) {
      this.#fault(["service", "pipelines"], "service must have at least one pipeline");
    }
    const used = new Set<string>();
    for (const [name, pipeline] of Object.entries(pipelines)) {
      const path = ["service", "pipelines", name];
      if (!/^metrics(\/.+)?$/.test(name)) {
        this.#fault(
          path,
          `unknown signal "${name.split("/")[0]}"; this agent has metrics only: "metrics" or "metrics/name"`,
        );
        continue;
      }
      if (pipeline.receivers.length === 0) this.#fault(path, "must have at least one receiver");
      if (pipeline.exporters.length === 0) this.#fault(path, "must have at least one exporter");
      for (const section of ["receivers", "processors", "exporters"] as const) {
        this.#references([...path, section], section, pipeline[section]);
        for (const id of pipeline[section]) used.add(`${section}::${id}`);
      }
    }
    for (const section of ["receivers", "processors", "exporters"] as const) {
      for (const id of this.#configured[section]) {
        if (used.has(`${section}::${id}`)) continue;
        const { origin } = locate(this.#tree, [section, id]);
        this.warnings.push({ origin, path: [section, id], message: "is in no pipeline and will not run" });
      }
    }
  }

  #references(path: readonly (string | number)[], section: Section, ids: readonly string[]): void {
    const word = section.slice(0, -1);
    const configured = [...this.#configured[section]];
    for (const [index, id] of ids.entries()) {
      const at = [...path, index];
      if (!configured.includes(id)) {
        this.#fault(at, `references ${word} "${id}" which is not configured${didYouMean(id, configured)}`);
      } else if (ids.indexOf(id) !== index) this.#fault(at, `references ${word} "${id}" multiple times`);
    }
  }
}
