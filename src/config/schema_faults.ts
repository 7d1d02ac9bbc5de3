// SPDX-License-Identifier: Apache-2.0
import type { z } from "zod";
import type { Fault } from "./fault.ts";
import { toInput } from "./input.ts";
import { type ConfigNode, isNull, keyOriginOf, nodeAt, originOf, type Path } from "./node.ts";
import { keysAt, placeAt, placeOf } from "./schema_place.ts";
import { holdsSecret, REDACTED, withoutSecretParts, withoutSecrets } from "./secrets.ts";
import { didYouMean } from "./suggestion.ts";

/** zod's word for what it finds wrong. Each issue becomes one fault or more. */
type Issue = z.core.$ZodIssue;

export interface Checked<T> {
  /** Undefined if there are faults. */
  readonly value: T | undefined;
  readonly faults: readonly Fault[];
}

const SHOWN_CHARS_MAX = 80;

/**
 * Checks the part of the tree at `path` against its schema. Each fault has its place, and says what was wanted and what was
 * got. A part that is null or missing is checked as an empty map.
 */
export function checkNode<T>(tree: ConfigNode, path: Path, schema: z.ZodType<T>): Checked<T> {
  const node = nodeAt(tree, path);
  const input = node === undefined || isNull(node) ? {} : toInput(node, placeOf(schema));
  const result = schema.safeParse(input);
  if (result.success) return { value: result.data, faults: [] };
  const issues = result.error.issues.flatMap((issue) => flatten(issue));
  return {
    value: undefined,
    faults: issues.flatMap((issue) => toFaults({ tree, base: path, schema }, issue)),
  };
}

/**
 * If the issue is about a union and has only zod's own text, replaces it by the issues of the alternative that fits
 * best, or, if the value has the type of none, by one issue that lists all alternatives.
 */
function flatten(issue: Issue): Issue[] {
  if (issue.code !== "invalid_union" || issue.errors.length === 0 || !isTerse(issue)) return [issue];
  const isOfOtherType = (issues: readonly Issue[]): boolean =>
    issues.some(({ code, path }) => code === "invalid_type" && path.length === 0);
  const depth = (issues: readonly Issue[]): number => Math.max(0, ...issues.map(({ path }) => path.length));
  const [best] = issue.errors
    .filter((issues) => !isOfOtherType(issues))
    .toSorted((a, b) => depth(b) - depth(a) || a.length - b.length);
  if (best !== undefined) {
    return best.flatMap((inner) => flatten({ ...inner, path: [...issue.path, ...inner.path] }));
  }
  const wants = issue.errors.flat().map((one) => wanted(one).replace(/^must be /, ""));
  return [{ ...issue, code: "custom", message: `must be ${[...new Set(wants)].join(" or ")}` }];
}

interface Context {
  readonly tree: ConfigNode;
  readonly base: Path;
  readonly schema: z.ZodType;
}

function toFaults({ tree, base, schema }: Context, issue: Issue): Fault[] {
  const path = [...base, ...issue.path.map((step) => (typeof step === "symbol" ? String(step) : step))];
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(placeAt(schema, issue.path));
    return issue.keys.map((key) => {
      const help = didYouMean(key, known) || `; ${list(known)}`;
      return { origin: keyOriginOf(tree, [...path, key]), path, message: `unknown key "${key}"${help}` };
    });
  }
  if (issue.code === "invalid_key") {
    const got = JSON.stringify(issue.path.at(-1));
    const messages = issue.issues.map((inner) => `${wanted(inner)}, got key ${got}`);
    return messages.map((message) => ({
      origin: keyOriginOf(tree, path),
      path: path.slice(0, -1),
      message,
    }));
  }
  const origin = originOf(tree, path);
  const node = nodeAt(tree, path);
  const want = wanted(issue);
  if (node === undefined) {
    const missing = issue.code === "invalid_type" || issue.code === "invalid_value";
    return [{ origin, path, message: missing || want.startsWith("must be ") ? `is missing; ${want}` : want }];
  }
  if (!want.startsWith("must ")) return [{ origin, path, message: want }];
  const place = placeAt(schema, issue.path);
  const isHidden = node.kind === "scalar" ? holdsSecret(place) : place.secret;
  const got = show(node, isHidden);
  return [{ origin, path, message: `${want}, got ${got}${suggestion(issue, node)}` }];
}

function list(keys: readonly string[]): string {
  return keys.length === 0 ? "there are none here" : `the keys are ${keys.join(", ")}`;
}

/** Whether the issue's text is zod's own, which says too little for a user. */
function isTerse({ message }: Issue): boolean {
  return /^(Invalid|Too|Unrecognized)\b/.test(message);
}

function wanted(issue: Issue): string {
  if (!isTerse(issue)) return issue.message;
  switch (issue.code) {
    case "invalid_type":
      return `must be ${article(issue.expected)}`;
    case "invalid_value":
      return `must be ${issue.values.length > 1 ? "one of " : ""}${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    case "too_small":
      return `must ${verb(issue.origin)} at least ${issue.minimum}${counted(issue.origin)}`;
    case "too_big":
      return `must ${verb(issue.origin)} at most ${issue.maximum}${counted(issue.origin)}`;
    case "invalid_format":
      return `must match ${issue.pattern ?? issue.format}`;
    default:
      return issue.message;
  }
}

function verb(origin: string): string {
  return origin === "number" || origin === "int" ? "be" : "have";
}

function counted(origin: string): string {
  if (origin === "string") return " characters";
  return origin === "array" || origin === "set" || origin === "record" ? " entries" : "";
}

function suggestion(issue: Issue, node: ConfigNode): string {
  if (issue.code !== "invalid_value" || !isTerse(issue)) return "";
  if (node.kind !== "scalar" || typeof node.value !== "string" || node.reference !== undefined) return "";
  return didYouMean(node.value, issue.values.map(String));
}

const TYPE_NAME: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  int: "a whole number",
  number: "a number",
  object: "a map",
  record: "a map",
  string: "a text",
  undefined: "left out",
};

function article(type: string): string {
  return TYPE_NAME[type] ?? `a ${type}`;
}

function show(node: ConfigNode, isHidden: boolean): string {
  const { reference } = node;
  if (reference !== undefined) {
    const shown = withoutSecretParts(reference, isHidden);
    return shown === REDACTED ? shown : `the value of ${shortened(JSON.stringify(shown))}`;
  }
  if (isHidden) return REDACTED;
  if (node.kind !== "scalar") return `a ${node.kind}`;
  const { value } = node;
  const text = JSON.stringify(typeof value === "string" ? withoutSecrets(value) : value);
  return shortened(text);
}

function shortened(text: string): string {
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;
}
