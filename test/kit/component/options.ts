// SPDX-License-Identifier: Apache-2.0
import type { ZodType } from "zod";
import { type LoadResult, loadConfig } from "../../../src/config/load.ts";
import { registry } from "../../../src/registry.ts";

/** A place in a schema, and zod's name of the type that is allowed there. */
export interface OptionPlace {
  /** The keys that lead there; `"0"` is any item of a list. */
  readonly path: readonly string[];
  readonly type: string;
}

/** The parts of zod's definitions that hold further schemas. */
interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, ZodType>>;
  readonly innerType?: ZodType;
  readonly in?: ZodType;
  readonly element?: ZodType;
  readonly options?: readonly ZodType[];
}

/** Returns every place in a schema, without zod's wrappers, and without the values of maps that take any key. */
export function optionPlaces(schema: ZodType, path: readonly string[] = []): OptionPlace[] {
  const definition = schema.def as unknown as Definition; // zod keeps it public; its type differs for each kind of schema
  const { type, shape = {}, innerType, in: input, options = [], element } = definition;
  const inner = [innerType, input, ...options].filter((one) => one !== undefined);
  return [
    ...(inner.length === 0 ? [{ path, type }] : []),
    ...inner.flatMap((one) => optionPlaces(one, path)),
    ...(element === undefined ? [] : optionPlaces(element, [...path, "0"])),
    ...Object.entries(shape).flatMap(([key, one]) => optionPlaces(one, [...path, key])),
  ];
}

/** Makes YAML that has `value` at the path. */
export function yamlAt(path: readonly string[], value: string): string {
  return path.reduceRight(
    (under, key) => (key === "0" ? `[${under}]` : `{${JSON.stringify(key)}: ${under}}`),
    value,
  );
}

/** Merges the texts into a small config and loads it with the components of this build. */
export function loadMerged(
  texts: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<LoadResult> {
  const base =
    "{receivers: {kata: {}}, exporters: {nop: {}}, service: {pipelines: {metrics: {receivers: [kata], exporters: [nop]}}}}";
  const uris = [base, ...texts].map((text) => `yaml:${text}`);
  const readFile = () => Promise.reject(new Error("no files"));
  return loadConfig({ uris, sets: [], env, readFile }, registry);
}
