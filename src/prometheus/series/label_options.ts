// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { BOUND_LABELS, isLabelName } from "./names.ts";
import type { IdentityLabels } from "./resource_labels.ts";

/**
 * The labels that kata-monitor puts on every sample, in its order, each with the resource attribute that has its value.
 */
const KATA_MONITOR_LABELS = {
  sandbox_id: "kata.sandbox.id",
  cri_uid: "k8s.pod.uid",
  cri_name: "k8s.pod.name",
  cri_namespace: "k8s.namespace.name",
};

const labelName = z
  .string()
  .refine(isLabelName, "must be a label name: letters, digits and underscores, no digit first")
  .refine((name) => !BOUND_LABELS.has(name), '"le" and "quantile" belong to histograms and summaries');

/** Options on names and labels, as the config has them, for every exporter that writes Prometheus' formats. */
export interface LabelConfig {
  readonly namespace: string;
  readonly resource_labels: Readonly<Record<string, string>>;
  readonly resource_to_telemetry_conversion: { readonly enabled: boolean };
}

/** The schemas of `LabelConfig`, to be spread into the strict object of an exporter. */
export const labelOptions: { readonly [Key in keyof LabelConfig]: z.ZodType<LabelConfig[Key], unknown> } = {
  namespace: z
    .string()
    .regex(/^([a-zA-Z_:][a-zA-Z0-9_:]*)?$/, "must be letters, digits and underscores, no digit first")
    .default("")
    .describe("Put before every metric's name, with an underscore"),
  resource_labels: z
    .record(labelName, z.string().min(1))
    .default(KATA_MONITOR_LABELS)
    .describe("Label name to resource attribute, written in this order after a sample's own labels"),
  resource_to_telemetry_conversion: z
    .strictObject({ enabled: z.boolean().default(false) })
    .prefault({})
    .describe("Make labels of all other resource attributes too"),
};

/** The schema of labels with a fixed value. */
export function constantLabels(): z.ZodType<Readonly<Record<string, string>>, unknown> {
  return z.record(labelName, z.string()).default({}).describe("Put on every sample");
}

/** Options of the Collector that accept a single value here. A config of the Collector with this value stays valid. */
export const fixedNameOptions: Readonly<
  Record<"add_metric_suffixes" | "translation_strategy", z.ZodType<unknown>>
> = {
  add_metric_suffixes: z.literal(false, "only false works: names stay as their source has them").optional(),
  translation_strategy: z
    .literal(
      "UnderscoreEscapingWithoutSuffixes",
      'only "UnderscoreEscapingWithoutSuffixes" works: names stay as their source has them',
    )
    .optional(),
};

/** Returns the names that are in both the constant labels and `resource_labels`. The caller must reject them. */
export function labelsTwice(
  constant: Readonly<Record<string, string>>,
  { resource_labels }: LabelConfig,
): string[] {
  return Object.keys(constant).filter((label) => Object.hasOwn(resource_labels, label));
}

/** Returns the labels of resources that the config asks for. */
export function toIdentityLabels(
  constant: Readonly<Record<string, string>>,
  { resource_labels, resource_to_telemetry_conversion }: LabelConfig,
): IdentityLabels {
  return {
    mapped: Object.entries(resource_labels).map(([label, attribute]) => ({ label, attribute })),
    constant: Object.entries(constant).map(([key, value]) => ({ key, value })),
    others: resource_to_telemetry_conversion.enabled,
  };
}
