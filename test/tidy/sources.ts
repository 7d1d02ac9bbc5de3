// SPDX-License-Identifier: Apache-2.0
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** The project's root. */
export const ROOT: string = join(import.meta.dirname, "../..");

/** A TypeScript file of the project. */
export interface Source {
  /** Relative to the project's root. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  /** Files of the project that it imports, statically or not; and whether it imports nothing but types. */
  readonly imports: readonly {
    readonly path: string;
    readonly typeOnly: boolean;
    readonly isLazy: boolean;
  }[];
  /** Names of packages and built-in modules from which it imports more than types. */
  readonly packages: readonly string[];
}

const IMPORT =
  /(?:^|\n)(?:import|export)\s+(type\s)?[^;]*?from\s+"([^"]+)"|import\("([^"]+)"\)|(?:^|\n)import\s+"([^"]+)"/g;

function read(path: string): Source {
  const text = readFileSync(join(ROOT, path), "utf8");
  const imports: { path: string; typeOnly: boolean; isLazy: boolean }[] = [];
  const packages: string[] = [];
  for (const [, type, from, dynamic, bare] of text.matchAll(IMPORT)) {
    const target = from ?? dynamic ?? bare ?? "";
    if (target.startsWith(".")) {
      const typeOnly = type !== undefined;
      imports.push({ path: normalize(join(dirname(path), target)), typeOnly, isLazy: dynamic !== undefined });
    } else if (type === undefined) packages.push(target);
  }
  return { path, text, lines: text.split("\n"), imports, packages };
}

/** Every TypeScript file that people write, in the order of the paths. */
export const files: readonly Source[] = globSync("{src,test,tools}/**/*.ts", { cwd: ROOT })
  .filter((path) => !path.includes("generated"))
  .sort()
  .map(read);

/** The files of `src/`, unit tests included. */
export const sources: readonly Source[] = files.filter(({ path }) => path.startsWith("src/"));

/** The files of `src/` that run in the agent or in the simulator: no tests. */
export const code: readonly Source[] = sources.filter(({ path }) => !path.endsWith(".test.ts"));
