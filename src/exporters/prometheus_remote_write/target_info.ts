// SPDX-License-Identifier: Apache-2.0
import type { Family, Resource } from "../../metrics/model.ts";
import type { Conflict } from "../../prometheus/series/conflict.ts";
import { freeLabelName, toLabelName, writtenName } from "../../prometheus/series/names.ts";
import type { IdentityLabels } from "../../prometheus/series/resource_labels.ts";
import type { Label } from "../../prometheus/series/series.ts";
import type { FamilyBlock } from "./family_series.ts";

/**
 * The family with one series for each resource, whose labels say all that is known of the resource. The number is
 * always 1.
 */
export const TARGET_INFO: Family = {
  id: -1,
  name: "target_info",
  kind: "gauge",
  unit: "",
  help: "Target metadata",
  points: [{ attributes: [], bounds: [], boundTexts: [] }],
  width: 1,
};

/** The facts about a reading that its target_info depends on. */
export interface TargetInfoOptions {
  readonly namespace: string;
  /** The number of columns of the reading. The column after the last one is that of target_info. */
  readonly width: number;
  onConflict(conflict: Conflict): void;
}

/**
 * Returns the block of target_info for a reading with these other blocks; no block if the source has a family of this
 * name.
 */
export function targetInfoBlocks(
  others: readonly FamilyBlock[],
  { namespace, width, onConflict }: TargetInfoOptions,
): FamilyBlock[] {
  const name = writtenName(namespace, TARGET_INFO.name);
  if (!others.some((block) => block.name === name)) {
    const series = [{ labels: [["__name__", name]] as const, column: 0 }];
    return [{ family: TARGET_INFO, series, name, offset: width }];
  }
  onConflict({ reason: "name", name });
  return [];
}

/** The resource attributes of OpenTelemetry that give Prometheus' labels job and instance. */
const SERVICE = { namespace: "service.namespace", name: "service.name", instance: "service.instance.id" };

/**
 * Returns the labels `job` and `instance` by OpenTelemetry's rules for Prometheus. A resource that does not name its
 * service gets no `job`, and one without an instance gets no `instance`.
 * https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#resource-attributes-1
 */
export function serviceLabels({ attributes }: Resource): Label[] {
  const said = new Map(attributes.map(({ key, value }) => [key, value]));
  const name = said.get(SERVICE.name) ?? "";
  const namespace = said.get(SERVICE.namespace) ?? "";
  const instance = said.get(SERVICE.instance) ?? "";
  const labels: Label[] = [];
  if (name !== "") labels.push(["job", namespace === "" ? name : `${namespace}/${name}`]);
  if (instance !== "") labels.push(["instance", instance]);
  return labels;
}

/** Returns labels for the attributes that are not yet labels of the resource's series. Only target_info has them. */
export function infoLabels(
  { attributes }: Resource,
  { mapped, others }: IdentityLabels,
  labels: ReadonlyMap<string, string>,
): Label[] {
  if (others) return [];
  const said = new Set([...Object.values(SERVICE), ...mapped.map(({ attribute }) => attribute)]);
  const names = new Set(labels.keys());
  const rest = attributes.filter(({ key, value }) => value !== "" && !said.has(key));
  return rest
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ key, value }) => {
      const name = freeLabelName(toLabelName(key), (other) => names.has(other));
      names.add(name);
      return [name, value];
    });
}
