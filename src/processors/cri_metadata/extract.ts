// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { Pod } from "../../cri/pod.ts";
import type { Attribute } from "../../metrics/model.ts";
import { toLabelName } from "../../prometheus/series/names.ts";
import { isReservedLabel } from "../../prometheus/series/reserved_labels.ts";
import { messageOf } from "../../text/error_text.ts";
import { compileExpression } from "../../text/expression.ts";

/**
 * The attributes that the pod's names and its runtime handler become, in this order. `extract.metadata` chooses among
 * them.
 */
export const METADATA = [
  "k8s.pod.uid",
  "k8s.pod.name",
  "k8s.namespace.name",
  "kata.runtime.handler",
] as const;

export type MetadataName = (typeof METADATA)[number];

/** One entry of `extract.labels` or `extract.annotations`. It has either `key` or `keyRegex`. */
export interface ExtractRule {
  readonly tagName?: string | undefined;
  readonly key?: string | undefined;
  readonly keyRegex?: string | undefined;
}

export interface ExtractConfig {
  readonly metadata: readonly MetadataName[];
  readonly labels: readonly ExtractRule[];
  readonly annotations: readonly ExtractRule[];
}

/** The most rules for labels, and the most for annotations. */
const RULES_MAX = 64;
/**
 * The most attributes that one pod's labels and annotations become. If there are more, the first ones are taken, in the
 * order of the rules and, within a rule, of the keys.
 */
const EXTRACTED_MAX = 64;
/** The most UTF-16 code units of a value; the rest is cut off. An annotation may have 256 KiB, and each series repeats it. */
const VALUE_LENGTH_MAX = 1_024;

/** A reference to a group in a tag name, in Go's spelling: `$1`, `${1}`, `$name`, and `$$` for a dollar sign. */
const REFERENCE = /\$(?:\$|(\w+)|\{(\w+)\})/g;

/** The schema of a rule. */
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
        .describe(`Takes every ${source} whose whole key matches this RE2 expression, instead of key`),
      from: z
        .literal("pod", 'must be "pod": the container runtime knows no other object')
        .default("pod")
        .describe("The object that carries it"),
    })
    .superRefine(checkRule)
    .transform(({ tag_name, key, key_regex }) => ({ tagName: tag_name, key, keyRegex: key_regex }));
}

/** The options of a rule by their names in YAML. */
interface RuleOptions {
  readonly tag_name?: string | undefined;
  readonly key?: string | undefined;
  readonly key_regex?: string | undefined;
}

function checkRule({ key, key_regex: keyRegex, tag_name: tagName }: RuleOptions, context: z.RefinementCtx) {
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

/** The schema of the `extract` section. */
export const extractSchema: z.ZodType<ExtractConfig> = z.strictObject({
  metadata: z
    .array(z.enum(METADATA))
    .default([...METADATA])
    .describe("Which of the pod's names become resource attributes"),
  labels: z.array(rule("label")).max(RULES_MAX).prefault([]).describe("Pod labels to take"),
  annotations: z.array(rule("annotation")).max(RULES_MAX).prefault([]).describe("Pod annotations to take"),
});

/** Returns the attributes that a pod adds to its sandbox's resource. */
export type Extract = (pod: Pod) => Attribute[];

/**
 * Compiles an accepted `extract` section. Names of the pod that are empty are left out. A later rule replaces an attribute
 * of the same name that an earlier rule took. No rule replaces the pod's own names: the author of the pod writes the
 * labels, and must not be able to give the numbers another owner.
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

function compileRule({ tagName, key, keyRegex }: ExtractRule, prefix: string): Take {
  if (key !== undefined) {
    const name = tagName ?? `${prefix}${key}`;
    return (from, to) => {
      const value = from.get(key);
      if (value !== undefined) to.set(name, cut(value));
    };
  }
  // If the tag name begins with a group, the author of the pod decides how the attribute's name begins, and could set
  // job, namespace or service.name.
  const isNamedByPod = tagName !== undefined && /^\$[^$]/.test(tagName);
  const expression = compileExpression(keyRegex ?? "");
  return (from, to) => {
    // Labels and annotations are sorted by key, since the runtime lists them in a random order.
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
