// SPDX-License-Identifier: Apache-2.0
import { type Attribute, attributeOf, type Family, type Resource } from "../../metrics/model.ts";
import type { Conflict } from "../page/contenders.ts";
import { compilePlan, type FamilyPlan } from "../write/family_plan.ts";
import { type Template, toTemplate } from "../write/template.ts";
import { BOUND_LABELS, freeLabelName, labelText, toLabelName } from "./names.ts";

/** The labels that every line of a resource gets behind the sample's own. */
export interface IdentityLabels {
  /** Label names and the resource attributes that give their values, in the order of writing. */
  readonly mapped: readonly { readonly label: string; readonly attribute: string }[];
  /** Written behind the mapped ones. */
  readonly constant: readonly Attribute[];
  /** Whether the resource's other attributes become labels too. */
  readonly others: boolean;
}

/** A resource as a page shows it. */
export interface Identity {
  /** `sandbox_id="…",…` with what closes the labels, and the blank before the value. */
  readonly template: Template;
  /** Two resources of one text have the same series. */
  readonly text: string;
  readonly face: Face;
}

/** What the identities with the same label names share: the plans of families, which must avoid those names. */
export interface Face {
  readonly names: ReadonlySet<string>;
  readonly plans: WeakMap<Family, FamilyPlan>;
}

/** Sets of label names for which plans are kept; there is more than one only where other attributes become labels. */
const FACES_MAX = 256;

/** Makes each resource's identity once. */
export class Identities {
  readonly #labels: IdentityLabels;
  readonly #known = new WeakMap<Resource, Identity>();
  readonly #faces = new Map<string, Face>();

  constructor(labels: IdentityLabels) {
    this.#labels = labels;
  }

  of(resource: Resource): Identity {
    const known = this.#known.get(resource);
    if (known !== undefined) return known;
    const labels = identityLabelsOf(resource, this.#labels);
    const texts: string[] = [];
    for (const [name, value] of labels) texts.push(labelText(name, value));
    const text = texts.join(",");
    const template = toTemplate(text === "" ? "" : `${text}} `);
    const identity = { template, text, face: this.#face([...labels.keys()]) };
    this.#known.set(resource, identity);
    return identity;
  }

  #face(names: readonly string[]): Face {
    const key = names.join();
    const known = this.#faces.get(key);
    if (known !== undefined) return known;
    // Identities hold their own face, so that dropping all of them costs nothing but the sharing.
    if (this.#faces.size >= FACES_MAX) this.#faces.clear();
    const face: Face = { names: new Set(names), plans: new WeakMap() };
    this.#faces.set(key, face);
    return face;
  }
}

/** Names and values, in the order of writing. An absent attribute is an empty label, which is what Prometheus understands by an absent one. */
export function identityLabelsOf(
  resource: Resource,
  { mapped, constant, others }: IdentityLabels,
): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  // Without attributes it is no resource but the agent itself.
  const isAgent = resource.attributes.length === 0;
  for (const { label, attribute } of isAgent ? [] : mapped)
    labels.set(label, attributeOf(resource, attribute) ?? "");
  for (const { key, value } of constant) labels.set(key, value);
  if (!others) return labels;
  const rest = resource.attributes.filter(
    ({ key, value }) => value !== "" && !mapped.some(({ attribute }) => attribute === key),
  );
  for (const { key, value } of rest.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
    const name = freeLabelName(toLabelName(key), (other) => labels.has(other) || BOUND_LABELS.has(other));
    labels.set(name, value);
  }
  return labels;
}

/** The plan of a family under its page name, compiled when a page first needs it: its conflicts are told then, once. */
export function planOf(
  face: Face,
  { name, family }: { readonly name: string; readonly family: Family },
  onConflict: (conflict: Conflict) => void,
): FamilyPlan {
  const known = face.plans.get(family);
  if (known !== undefined) return known;
  const plan = compilePlan(name, family, face.names);
  face.plans.set(family, plan);
  for (let i = 0; i < plan.renamedLabels; i++) onConflict({ reason: "label", name });
  for (let i = 0; i < plan.duplicatePoints; i++) onConflict({ reason: "series", name });
  return plan;
}
