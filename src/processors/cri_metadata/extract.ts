// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import type { Pod } from "../../cri/pod.ts";
import type { Attribute } from "../../metrics/model.ts";
import { toLabelName } from "../../prometheus/series/names.ts";
import { isReservedLabel } from "../../prometheus/series/reserved_labels.ts";
import { messageOf } from "../../text/error_text.ts";
import { compileExpression } from "../../text/expression.ts";

/** What is always set where the runtime knows it, in this order; `extract.metadata` leaves some out. */
export const METADATA = [
  "k8s.pod.uid",
  "k8s.pod.name",
  "k8s.namespace.name",
  "kata.runtime.handler",
] as const;

export type MetadataName = (typeof METADATA)[number];

/** One entry of `extract.labels` or `extract.annotations`, as checked by the schema. */
export interface ExtractRule {
  readonly tag_name?: string | undefined;
  readonly key?: string | undefined;
  readonly key_regex?: string | undefined;
  readonly from: "pod";
}

export interface ExtractConfig {
  readonly metadata: readonly MetadataName[];
  readonly labels: readonly ExtractRule[];
  readonly annotations: readonly ExtractRule[];
}

const RULES_MAX = 64;
/** Of one pod. A pod with more keeps the first ones, in the order of the rules and then of their keys. */
const EXTRACTED_MAX = 64;
/** In UTF-16 code units; the rest is cut off. Annotations go to 256 KiB, and a label on a series costs its length. */
const VALUE_LENGTH_MAX = 1_024;

/** A reference to a group in a tag name, in Go's spelling: `$1`, `${1}`, `$name`, and `$$` for a dollar sign. */
const REFERENCE = /\$(?:\$|(\w+)|\{(\w+)\})/g;

function rule(source: "label" | "annotation"): z.ZodType<ExtractRule> {
  return z
    .strictObject({
      tag_name: z
        .string()
        .min(1)
        .optional()
        .describe(
          `Name of the resource attribute; by default k8s.pod.${source}.<key>. With key_regex it refers to groups: "$1"`,
        ),
      key: z.string().min(1).optional().describe(`The ${source} to take`),
      key_regex: z
        .string()
        .min(1)
        .optional()
        .describe(`Takes every ${source} whose whole key matches this RE2 expression, in place of key`),
      from: z
        .literal("pod", 'must be "pod": the container runtime knows no other object')
        .default("pod")
        .describe("The object that carries it"),
    })
    .superRefine(checkRule);
}

function checkRule({ key, key_regex: keyRegex, tag_name: tagName }: ExtractRule, context: z.RefinementCtx) {
  const fail = (path: string[], message: string): void => {
    context.addIssue({ code: "custom", path, message });
  };
  if ((key === undefined) === (keyRegex === undefined)) fail([], "must have either key or key_regex");
  if (keyRegex === undefined) return;
  let groups: ReadonlySet<string>;
  try {
    ({ groups } = compileExpression(keyRegex));
  } catch (error) {
    const reason = messageOf(error);
    return fail(["key_regex"], `must be a regular expression of RE2: ${reason}`);
  }
  if (tagName === undefined) return;
  const references = [...tagName.matchAll(REFERENCE)].flatMap(([, short, braced]) => short ?? braced ?? []);
  for (const name of references) {
    if (!groups.has(name)) fail(["tag_name"], `must refer to groups of key_regex, which has no "${name}"`);
  }
  if (references.length === 0) {
    fail(["tag_name"], 'must refer to a group of key_regex ("$1"), since more than one key may match');
  }
}

/** Checks and completes the `extract` section. */
export const extractSchema: z.ZodType<ExtractConfig> = z.strictObject({
  metadata: z
    .array(z.enum(METADATA))
    .default([...METADATA])
    .describe("Which of the pod's names become resource attributes"),
  labels: z.array(rule("label")).max(RULES_MAX).default([]).describe("Pod labels to take"),
  annotations: z.array(rule("annotation")).max(RULES_MAX).default([]).describe("Pod annotations to take"),
});

/** The attributes that a pod adds to its sandbox's resource. */
export type Extract = (pod: Pod) => Attribute[];

/**
 * Compiles an accepted `extract` section. Names of the pod that are empty are left out. A later rule replaces what an
 * earlier one took under the same name, but none replaces the pod's own names: labels are written by whoever writes
 * the pod, and must not say whose numbers these are.
 */
export function compileExtract({ metadata, labels, annotations }: ExtractConfig): Extract {
  const wanted = new Set(metadata);
  const labelRules = labels.map((entry) => compileRule(entry, "k8s.pod.label."));
  const annotationRules = annotations.map((entry) => compileRule(entry, "k8s.pod.annotation."));
  return (pod) => {
    const names: Readonly<Record<MetadataName, string>> = {
      "k8s.pod.uid": pod.uid,
      "k8s.pod.name": pod.name,
      "k8s.namespace.name": pod.namespace,
      "kata.runtime.handler": pod.runtimeHandler,
    };
    const own = METADATA.filter((key) => wanted.has(key) && names[key] !== "").map((key) => ({
      key,
      value: names[key],
    }));
    const taken = new Map<string, string>();
    for (const take of labelRules) take(pod.labels, taken);
    for (const take of annotationRules) take(pod.annotations, taken);
    const extracted = [...taken].map(([key, value]) => ({ key, value }));
    return [...own, ...extracted.filter(({ key }) => !Object.hasOwn(names, key)).slice(0, EXTRACTED_MAX)];
  };
}

type Take = (from: ReadonlyMap<string, string>, to: Map<string, string>) => void;

function compileRule({ tag_name: tagName, key, key_regex: keyRegex }: ExtractRule, prefix: string): Take {
  if (key !== undefined) {
    const name = tagName ?? `${prefix}${key}`;
    return (from, to) => {
      const value = from.get(key);
      if (value !== undefined) to.set(name, cut(value));
    };
  }
  // Without a text of the operator's in front, whoever writes the pod could say job, namespace or service.name.
  const isNamedByPod = tagName !== undefined && /^\$[^$]/.test(tagName);
  const expression = compileExpression(keyRegex ?? "");
  return (from, to) => {
    // The runtime writes them in the order of a Go map, which is another one each time.
    for (const [found, value] of [...from].sort(byKey)) {
      const match = expression.matchWhole(found);
      if (match === undefined) continue;
      const name = tagName === undefined ? `${prefix}${found}` : expand(tagName, match);
      if (name !== "" && !(isNamedByPod && isReservedLabel(toLabelName(name)))) to.set(name, cut(value));
    }
  };
}

function expand(tagName: string, match: ReadonlyMap<string, string>): string {
  return tagName.replace(REFERENCE, (_, short?: string, braced?: string) => {
    const name = short ?? braced;
    return name === undefined ? "$" : (match.get(name) ?? "");
  });
}

function cut(value: string): string {
  return value.length > VALUE_LENGTH_MAX ? value.slice(0, VALUE_LENGTH_MAX).toWellFormed() : value;
}

function byKey([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
