// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { z } from "zod";
import { duration, listenAddress, secret, size } from "../options/values.ts";
import type { AgentConfig } from "./agent_config.ts";
import type { Catalog, CatalogEntry } from "./catalog.ts";
import { renderFaults } from "./fault.ts";
import { type LoadResult, loadConfig } from "./load.ts";

const path = z.string().regex(/^\//, "must be an absolute path");

/** A component for tests of configs, with a field of each kind. */
const component = {
  stability: "stable" as const,
  schema: z.strictObject({
    interval: duration({ minMs: 1_000 }).prefault("15s"),
    name: z.string().optional(),
    count: z.int().min(1).default(3),
    ratio: z.number().max(1).optional(),
    token: secret().optional(),
    headers: z.record(z.string().regex(/^[a-z]+$/, "must be lower case"), secret()).default({}),
    mode: z.enum(["basic", "normal", "detailed"]).default("basic"),
    listen: listenAddress().optional(),
    body: size().prefault("1KiB"),
    list: z.array(z.string()).default([]),
    roots: z
      .array(z.union([path, z.strictObject({ path, runtime: z.enum(["go", "rs"]).default("go") })]))
      .default([]),
    free: z.record(z.string(), z.unknown()).optional(),
    tls: z
      .strictObject({ insecure: z.boolean().default(false), ca_file: z.string().optional() })
      .prefault({}),
    sending_queue: z.strictObject({ storage: z.string().optional() }).optional(),
    gone: z.undefined({ error: "is not supported; write name" }).optional(),
  }),
  uses: ({ sending_queue }: { readonly sending_queue?: { readonly storage?: string } }) =>
    sending_queue?.storage === undefined
      ? []
      : [{ id: sending_queue.storage, role: "storage" as const, path: ["sending_queue", "storage"] }],
  claims: ({ name }: { readonly name?: string }) => (name === undefined ? [] : [`name ${name}`]),
  remarks: ({ count }: { readonly count: number }) =>
    count > 100 ? [{ path: ["count"], message: "is more than most machines bear" }] : [],
  create(): never {
    throw new Error("BUG: a config is only checked here");
  },
};

function entry<F>(factory: F, aliases: readonly string[] = []): CatalogEntry<F> {
  return { stability: "stable", aliases, load: () => Promise.resolve(factory) };
}

/** A small build for tests of configs. */
export const fakeCatalog: Catalog = {
  receivers: { kata: entry(component) },
  processors: { meta: entry(component), filter: entry(component) },
  exporters: { out: entry(component), otlp_grpc: entry(component, ["otlp"]) },
  extensions: { health: entry(component), store: entry({ ...component, roles: () => ["storage" as const] }) },
};

/** The service section of a small config without a fault. */
export const SERVICE = "service: {pipelines: {metrics: {receivers: [kata], exporters: [out]}}}\n";
/** A small config without a fault. */
export const BASE: string = `receivers: {kata: }\nexporters: {out: }\n${SERVICE}`;

/** The parts of a config. If `uris` is left out, all files are loaded in their order. */
export interface Given {
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly uris?: readonly string[];
  readonly sets?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Loads a config. If `given` is a text, it is the content of the only file, `f`. */
export function loadFake(given: Given | string): Promise<LoadResult> {
  const {
    files = {},
    uris = Object.keys(files),
    sets = [],
    env = {},
  } = typeof given === "string" ? { files: { f: given } } : given;
  const readFile = (path: string): Promise<Uint8Array> => {
    const content = files[path];
    if (content === undefined) return Promise.reject(Object.assign(new Error(path), { code: "ENOENT" }));
    return Promise.resolve(typeof content === "string" ? Buffer.from(content) : content);
  };
  return loadConfig({ uris, sets, env, readFile }, fakeCatalog);
}

/** Returns the config, which must have no fault. */
export async function accepted(given: Given | string): Promise<AgentConfig> {
  const loaded = await loadFake(given);
  assert.ok(loaded.ok, loaded.ok ? "" : renderFaults(loaded.faults));
  return loaded.config;
}

/** Returns the options of the receiver `kata` from a text in flow style: `count: 3, name: x`. */
export async function kataOptions(
  options: string,
  given: Omit<Given, "files"> = {},
): Promise<Readonly<Record<string, unknown>>> {
  const { receivers } = await accepted({ ...given, files: { f: withOptions(options) } });
  return receivers.get("kata")?.config as Readonly<Record<string, unknown>>; // The schema above returns an object.
}

/** Returns a config whose receiver has these options. They begin in line 1, column 20. */
export function withOptions(options: string): string {
  return `receivers: {kata: {${options}}}\nexporters: {out: }\n${SERVICE}`;
}

/** Checks the faults of a config, without source lines and carets. */
export async function refused(given: Given | string, ...want: readonly string[]): Promise<void> {
  const loaded = await loadFake(given);
  assert.ok(!loaded.ok, "the config was accepted");
  assert.deepEqual(heads(renderFaults(loaded.faults)), want);
}

/** Checks the warnings of a config, which must have no fault. */
export async function warned(given: Given | string, ...want: readonly string[]): Promise<void> {
  const loaded = await loadFake(given);
  assert.ok(loaded.ok, loaded.ok ? "" : renderFaults(loaded.faults));
  assert.deepEqual(heads(renderFaults(loaded.warnings)), want);
}

function heads(rendered: string): string[] {
  return rendered.split("\n").filter((line) => line !== "" && !line.startsWith("    "));
}
