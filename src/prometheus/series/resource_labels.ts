// SPDX-License-Identifier: Apache-2.0
import { type Attribute, attributeOf, type Resource } from "../../metrics/model.ts";
import { BOUND_LABELS, freeLabelName, toLabelName } from "./names.ts";

/** Which labels every series of a resource has in addition to the sample's own. */
export interface IdentityLabels {
  /** Label names and the resource attributes that give their values, in the order of writing. */
  readonly mapped: readonly { readonly label: string; readonly attribute: string }[];
  /** Labels with a fixed value, written after the mapped ones. */
  readonly constant: readonly Attribute[];
  /** Whether the resource's attributes that are not in `mapped` become labels too. They are written last. */
  readonly others: boolean;
}

/**
 * The names and values of the resource's labels, in the order of writing. An absent attribute gives an empty label,
 * which means the same to Prometheus as no label.
 */
export function identityLabelsOf(
  resource: Resource,
  { mapped, constant, others }: IdentityLabels,
): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  // Only the agent's own resource has no attributes. It gets no labels of a sandbox, not even empty ones.
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
