import type { Attribute, Ended, Family, Reading, Resource } from "../../metrics/model.ts";
import { attributeOf } from "../../metrics/model.ts";
import {
  compileLines,
  compileResource,
  type LinePlan,
  pageName,
  renderHeader,
} from "../../prometheus/line_plan.ts";
import { createLiteral, type Literal } from "../../prometheus/literal.ts";
import { legalLabelName, type TextFormat } from "../../prometheus/text.ts";
import type { Member, NamedFamily, Section } from "../../prometheus/write.ts";

export interface PageConfig {
  readonly namespace: string;
  /** Label name → resource attribute, in the order in which they are written; an absent attribute is an empty value. */
  readonly resourceLabels: ReadonlyMap<string, string>;
  /** Whether the other attributes of the resource become labels too. */
  readonly allResourceAttributes: boolean;
  readonly constLabels: Readonly<Record<string, string>>;
  readonly sendTimestamps: boolean;
  /** A reading that is not renewed for this long is left out; sandboxes that end are gone at once. */
  readonly expirationMs: number;
}

/** What the page is made of at one moment. */
export interface Snapshot {
  readonly families: readonly NamedFamily[];
  /** Families of a reading that are not on the page, because another one has their name. */
  readonly conflicts: readonly Conflict[];
}

export interface Conflict {
  readonly name: string;
  readonly resource: string;
  readonly reason: "other kind" | "name of a child series";
}

const LINE_FEED: Literal = createLiteral("\n");

/** The latest reading of every resource, and how they become a page. */
export class Page {
  readonly #config: PageConfig;
  readonly #readings = new Map<string, Reading>();
  readonly #suffixes = new WeakMap<Resource, Literal>();
  /** Label names that resources bring: a family's own label of such a name must give way. */
  readonly #reserved: Set<string>;
  #plans = new WeakMap<Family, LinePlan>();
  /** Grows with every change, so that equal versions are equal pages. */
  version = 0;

  constructor(config: PageConfig) {
    this.#config = config;
    this.#reserved = new Set([
      ...config.resourceLabels.keys(),
      ...Object.keys(config.constLabels),
      "le",
      "quantile",
    ]);
  }

  put(reading: Reading): void {
    this.#readings.set(reading.resource.key, reading);
    this.version++;
  }

  end({ resource }: Ended): void {
    if (this.#readings.delete(resource.key)) this.version++;
  }

  get resourceCount(): number {
    return this.#readings.size;
  }

  /** The page's parts now; what happens afterwards does not change them. */
  snapshot(format: TextFormat): Snapshot {
    const byName = new Map<string, { first: Family; sections: Map<Family, Member[]> }>();
    const conflicts: Conflict[] = [];
    for (const reading of this.#readings.values()) {
      const { schema, resource, values } = reading;
      const suffix = this.#suffix(resource);
      const tail = this.#tail(reading, format);
      for (let i = 0; i < schema.families.length; i++) {
        const family = schema.families[i] as Family; // i is in range
        const named = byName.get(family.name) ?? { first: family, sections: new Map<Family, Member[]>() };
        byName.set(family.name, named);
        if (named.first.kind !== family.kind) {
          conflicts.push({ name: family.name, resource: resource.key, reason: "other kind" });
          continue;
        }
        const member = { suffix, values, offset: schema.offsets[i] as number, tail };
        const members = named.sections.get(family);
        if (members === undefined) named.sections.set(family, [member]);
        else members.push(member);
      }
    }
    return { families: this.#arrange(byName, format, conflicts), conflicts };
  }

  #arrange(
    byName: ReadonlyMap<string, { readonly first: Family; readonly sections: ReadonlyMap<Family, Member[]> }>,
    format: TextFormat,
    conflicts: Conflict[],
  ): NamedFamily[] {
    const families: NamedFamily[] = [];
    for (const name of [...byName.keys()].sort()) {
      const named = byName.get(name);
      if (named === undefined) continue;
      if (isChildOf(name, byName)) {
        conflicts.push({ name, resource: "", reason: "name of a child series" });
        continue;
      }
      const sections: Section[] = [];
      for (const [family, members] of named.sections) sections.push({ plan: this.#plan(family), members });
      const header = renderHeader(named.first, pageName(named.first, this.#config.namespace), format);
      families.push({ header: createLiteral(header), sections });
    }
    return families;
  }

  #plan(family: Family): LinePlan {
    let plan = this.#plans.get(family);
    if (plan === undefined) {
      plan = compileLines(family, {
        name: pageName(family, this.#config.namespace),
        reserved: this.#reserved,
      });
      this.#plans.set(family, plan);
    }
    return plan;
  }

  #suffix(resource: Resource): Literal {
    let suffix = this.#suffixes.get(resource);
    if (suffix === undefined) {
      suffix = compileResource(this.#resourceLabels(resource));
      this.#suffixes.set(resource, suffix);
    }
    return suffix;
  }

  #resourceLabels(resource: Resource): Attribute[] {
    const { resourceLabels, constLabels, allResourceAttributes } = this.#config;
    const labels: Attribute[] = [];
    for (const [key, attribute] of resourceLabels)
      labels.push({ key, value: attributeOf(resource, attribute) ?? "" });
    for (const [key, value] of Object.entries(constLabels)) labels.push({ key, value });
    if (!allResourceAttributes) return labels;
    const mapped = new Set(resourceLabels.values());
    const taken = new Set(labels.map(({ key }) => key));
    for (const { key, value } of resource.attributes) {
      const name = legalLabelName(key);
      if (mapped.has(key) || taken.has(name)) continue;
      taken.add(name);
      labels.push({ key: name, value });
      if (!this.#reserved.has(name)) {
        this.#reserved.add(name);
        this.#plans = new WeakMap();
      }
    }
    return labels;
  }

  #tail({ timeMs }: Reading, format: TextFormat): Literal {
    if (!this.#config.sendTimestamps) return LINE_FEED;
    return createLiteral(format === "openmetrics" ? ` ${timeMs / 1_000}\n` : ` ${Math.floor(timeMs)}\n`);
  }

  /** Drops the readings that nothing has renewed for too long. */
  expire(nowMs: number): void {
    for (const [key, { timeMs }] of this.#readings) {
      if (nowMs - timeMs <= this.#config.expirationMs) continue;
      this.#readings.delete(key);
      this.version++;
    }
  }
}

/** Whether a histogram or summary on the page writes series of this name. */
function isChildOf(name: string, byName: ReadonlyMap<string, { readonly first: Family }>): boolean {
  const match = /^(.+)_(?:bucket|sum|count)$/.exec(name);
  const kind = byName.get(match?.[1] ?? "")?.first.kind;
  return kind === "histogram" || (kind === "summary" && !name.endsWith("_bucket"));
}
