import type { z } from "zod";
import { didYouMean, type Fault } from "./fault.ts";
import { type ConfigNode, locate, toPlainWithDefaults, withScalarAt } from "./node.ts";

type Path = readonly (string | number)[];
type Issue = z.core.$ZodIssue;

export interface Checked<T> {
  readonly value: T | undefined;
  readonly faults: readonly Fault[];
}

/** How often a text out of `${…}` is given back to a field that wants a string; one round per such field. */
const EXPANDED_FIELDS_MAX = 200;

/**
 * Checks the part of the tree at `path` against its schema. Every issue becomes a fault with its place, what was
 * wanted and what was got. Null entries mean the default, but under the key `keepNullUnder`.
 */
export function checkNode<T>(
  root: ConfigNode,
  path: Path,
  schema: z.ZodType<T>,
  keepNullUnder?: string,
): Checked<T> {
  let tree = root;
  for (let round = 0; ; round++) {
    const { node } = locate(tree, path);
    const isNull = node.kind === "scalar" && node.value === null;
    const result = schema.safeParse(isNull ? {} : toPlainWithDefaults(node, keepNullUnder));
    if (result.success) return { value: result.data, faults: [] };
    const issues = result.error.issues.flatMap(flattenUnion);
    const next = round < EXPANDED_FIELDS_MAX ? restoreExpandedText(tree, path, issues) : tree;
    if (next === tree)
      return { value: undefined, faults: issues.flatMap((issue) => toFaults(tree, path, issue, schema)) };
    tree = next;
  }
}

/** A string field whose value came out of `${…}` as a number or the like gets the original text. */
function restoreExpandedText(root: ConfigNode, path: Path, issues: readonly Issue[]): ConfigNode {
  let tree = root;
  for (const issue of issues) {
    if (issue.code !== "invalid_type" || issue.expected !== "string") continue;
    const full = [...path, ...issue.path];
    const { node } = locate(tree, full);
    if (node.kind === "scalar" && node.expandedFrom !== undefined && typeof node.value !== "string") {
      tree = withScalarAt(tree, full, node.expandedFrom);
    }
  }
  return tree;
}

/** Of a union, the alternative that came furthest says best what is wrong. */
function flattenUnion(issue: Issue): Issue[] {
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return [issue];
  const depth = (issues: readonly Issue[]): number => Math.max(0, ...issues.map(({ path }) => path.length));
  const [best = []] = issue.errors.toSorted((a, b) => depth(b) - depth(a) || a.length - b.length);
  if (depth(best) === 0 && issue.errors.length > 1) {
    const wanted = [
      ...new Set(issue.errors.flat().flatMap((one) => (one.code === "invalid_type" ? [one.expected] : []))),
    ];
    if (wanted.length > 1)
      return [{ ...issue, code: "custom", message: `must be ${wanted.map(article).join(" or ")}` }];
  }
  return best.flatMap((inner) => flattenUnion({ ...inner, path: [...issue.path, ...inner.path] }));
}

function toFaults(root: ConfigNode, base: Path, issue: Issue, schema: z.ZodType): Fault[] {
  const path = [...base, ...issue.path.map((step) => (typeof step === "symbol" ? String(step) : step))];
  const { node, origin } = locate(root, path);
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(schema, issue.path);
    return issue.keys.map((key) => {
      const at = node.kind === "map" ? node.entries.get(key)?.keyOrigin : undefined;
      const list = known.length === 0 ? "there are none here" : `the keys are ${known.join(", ")}`;
      const help = didYouMean(key, known) || `; ${list}`;
      return { origin: at ?? origin, path, message: `unknown key "${key}"${help}` };
    });
  }
  const missing = issue.code === "invalid_type" && !exists(root, path);
  if (missing) return [{ origin, path, message: `is missing; must be ${article(issue.expected)}` }];
  const got = isSecretAt(schema, issue.path) ? "[REDACTED]" : show(node);
  return [{ origin, path, message: `${wanted(issue)}, got ${got}${suggestion(issue, node)}` }];
}

/** Our own texts stand as they are; zod's begin with "Invalid" or "Too" and say too little. */
function wanted(issue: Issue): string {
  if (!/^(Invalid|Too|Unrecognized)\b/.test(issue.message)) return issue.message;
  switch (issue.code) {
    case "invalid_type":
      return `must be ${article(issue.expected)}`;
    case "invalid_value":
      return `must be ${issue.values.length > 1 ? "one of " : ""}${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    case "too_small":
      return `must ${issue.origin === "number" || issue.origin === "int" ? "be" : "have"} at least ${issue.minimum}${counted(issue.origin)}`;
    case "too_big":
      return `must ${issue.origin === "number" || issue.origin === "int" ? "be" : "have"} at most ${issue.maximum}${counted(issue.origin)}`;
    case "invalid_format":
      return issue.message.startsWith("Invalid")
        ? `must match ${issue.pattern ?? issue.format}`
        : issue.message;
    default:
      return issue.message;
  }
}

function counted(origin: string): string {
  if (origin === "string") return " characters";
  return origin === "array" || origin === "set" || origin === "record" ? " entries" : "";
}

function suggestion(issue: Issue, node: ConfigNode): string {
  if (issue.code !== "invalid_value" || node.kind !== "scalar" || typeof node.value !== "string") return "";
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

function show(node: ConfigNode): string {
  if (node.kind === "map") return "a map";
  if (node.kind === "list") return "a list";
  const text = JSON.stringify(node.value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function exists(root: ConfigNode, path: Path): boolean {
  let node: ConfigNode | undefined = root;
  for (const step of path) {
    if (node?.kind === "map") node = node.entries.get(String(step))?.value;
    else if (node?.kind === "list") node = node.items[Number(step)];
    else node = undefined;
  }
  return node !== undefined;
}

/** The parts of zod's schema definitions that this module follows. */
interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
}

function definition(schema: z.ZodType): Definition {
  return schema.def as unknown as Definition; // zod keeps it public; its type differs for each kind of schema
}

/** The schemas that may stand at `path`, wrappers taken off. */
export function schemasAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly z.ZodType[] {
  const { innerType, in: input, options, shape, element, valueType } = definition(schema);
  const inner = innerType ?? input;
  if (inner !== undefined) return schemasAt(inner, path);
  if (options !== undefined) return options.flatMap((option) => schemasAt(option, path));
  const [step, ...rest] = path;
  if (step === undefined) return [schema];
  const next = shape?.[String(step)] ?? (typeof step === "number" ? element : valueType);
  return next === undefined ? [] : schemasAt(next, rest);
}

function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  return schemasAt(schema, path).flatMap((found) => Object.keys(definition(found).shape ?? {}));
}

/** Whether the value at `path` must not be shown. */
export function isSecretAt(schema: z.ZodType, path: readonly PropertyKey[]): boolean {
  return schemasAt(schema, path).some((found) => found.meta()?.["secret"] === true);
}
