// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "..");
const LINES_PER_FILE_MAX = 600;
const LINES_PER_FUNCTION_MAX = 70;
/** Of the parts of the delivery, each of which does one thing. */
const LINES_PER_PART_MAX = 250;

/** A rule that a place may break, with its reason: `file` or `file function`. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "src/otlp/paced_json.ts": "a pause, which lets others run, is no input or output",
};

interface Source {
  /** Relative to the project's root. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  /** Project files that it imports, statically or not; and whether for types only. */
  readonly imports: readonly { readonly path: string; readonly typeOnly: boolean }[];
  /** Names of packages and built-in modules that it imports for more than types. */
  readonly packages: readonly string[];
}

const IMPORT =
  /(?:^|\n)(?:import|export)\s+(type\s)?[^;]*?from\s+"([^"]+)"|import\("([^"]+)"\)|(?:^|\n)import\s+"([^"]+)"/g;

function read(path: string): Source {
  const text = readFileSync(join(ROOT, path), "utf8");
  const imports: { path: string; typeOnly: boolean }[] = [];
  const packages: string[] = [];
  for (const [, type, from, dynamic, bare] of text.matchAll(IMPORT)) {
    const target = from ?? dynamic ?? bare ?? "";
    if (target.startsWith(".")) {
      imports.push({ path: normalize(join(dirname(path), target)), typeOnly: type !== undefined });
    } else if (type === undefined) packages.push(target);
  }
  return { path, text, lines: text.split("\n"), imports, packages };
}

const files = globSync("{src,test,tools}/**/*.ts", { cwd: ROOT })
  .filter((path) => !path.includes("generated"))
  .sort()
  .map(read);
const sources = files.filter(({ path }) => path.startsWith("src/"));
const code = sources.filter(({ path }) => !path.endsWith(".test.ts"));

function check(rule: string, broken: readonly string[]): void {
  const left = broken.filter((place) => EXCEPTIONS[place.split(": ")[0] ?? ""] === undefined);
  assert.deepEqual(left, [], rule);
}

function componentOf(path: string): string | undefined {
  return /^src\/((?:receivers|processors|exporters|extensions)\/[^/]+)\//.exec(path)?.[1];
}

test("only the registry names a component; components do not import each other", () => {
  const broken = code
    .filter(({ path }) => path !== "src/registry.ts")
    .flatMap(({ path, imports }) =>
      imports
        .map((target) => componentOf(target.path))
        .filter((target) => target !== undefined && target !== componentOf(path))
        .map((target) => `${path}: imports ${target}`),
    );
  check("imports of components", broken);
});

test("metrics imports nothing, component only types", () => {
  const inside = (path: string) => path.startsWith("src/metrics/");
  const broken = code.flatMap(({ path, imports, packages }) => {
    if (inside(path)) {
      const outward = imports.filter((target) => !inside(target.path)).map((target) => target.path);
      return [...outward, ...packages].map((target) => `${path}: imports ${target}`);
    }
    if (path.startsWith("src/component/")) {
      const values = imports.filter((target) => !target.typeOnly).map((target) => target.path);
      return [...values, ...packages].map((target) => `${path}: imports ${target}`);
    }
    return [];
  });
  check("imports of the contracts", broken);
});

test("prometheus, otlp and wire do no input or output", () => {
  const pure = code.filter(({ path }) => /^src\/(prometheus|otlp|wire)\//.test(path));
  assert.ok(pure.length > 0);
  const broken = pure.flatMap(({ path, packages }) =>
    packages
      .filter((name) => (name.startsWith("node:") && name !== "node:crypto") || name === "@grpc/grpc-js")
      .map((name) => `${path}: imports ${name}`),
  );
  check("pure folders", broken);
});

test("only program.ts touches the process", () => {
  const broken = code
    .filter(({ path }) => path !== "src/program.ts")
    .flatMap(({ path, lines }) =>
      lines.flatMap((line, index) =>
        /(^|[^."\w])process\.[a-z]/i.test(line) && !/^\s*(\*|\/\/)/.test(line)
          ? [`${path}: line ${index + 1}: ${line.trim()}`]
          : [],
      ),
    );
  check("use of process", broken);
});

test("there is no barrel and no drawer for leftovers", () => {
  const broken = files.flatMap(({ path, text }) => {
    const names = path.split("/").map((part) => part.replace(/(\.test)?\.ts$/, ""));
    const drawer = names.find((name) => /^(index|utils?|common|shared|helpers?|types|misc)$/.test(name));
    if (drawer !== undefined) return [`${path}: is called ${drawer}`];
    return /^export \*|^export \{[^}]*\} from/m.test(text) ? [`${path}: exports what another file has`] : [];
  });
  check("barrels and drawers", broken);
});

test("files and folders are snake_case", () => {
  const broken = files.filter(({ path }) => !/^[a-z0-9_/]+(\.test)?\.ts$/.test(path)).map(({ path }) => path);
  check("names of files", broken);
});

test(`no file is over ${LINES_PER_FILE_MAX} lines`, () => {
  const broken = files
    .filter(({ lines }) => lines.length > LINES_PER_FILE_MAX)
    .map(({ path, lines }) => `${path}: ${lines.length} lines`);
  check("length of files", broken);
});

test(`no part of the delivery is over ${LINES_PER_PART_MAX} lines`, () => {
  const parts = code.filter(({ path }) => path.startsWith("src/delivery/"));
  assert.ok(parts.length > 0);
  const broken = parts
    .filter(({ lines }) => lines.length - 1 > LINES_PER_PART_MAX)
    .map(({ path, lines }) => `${path}: ${lines.length - 1} lines`);
  check("length of the delivery's parts", broken);
});

/** Relies on the formatter: a function's last line is the first one after its head with the head's indent and a brace. */
function longFunctions({ path, lines }: Source): string[] {
  const head =
    /^(\s*)(?:export\s+|static\s+|async\s+|override\s+|private\s+|get\s+|set\s+)*(?:function\*?\s+)?(#?[\w$]+)\s*(?:<[^(]*>)?\(.*\{$/;
  const found: string[] = [];
  for (const [index, line] of lines.entries()) {
    const match = head.exec(line);
    if (match === null || /^(if|for|while|switch|catch|test|describe|return|await)$/.test(match[2] ?? ""))
      continue;
    const indent = match[1] ?? "";
    const end = lines.findIndex((other, at) => at > index && other.startsWith(`${indent}}`));
    const length = end - index + 1;
    if (length > LINES_PER_FUNCTION_MAX) found.push(`${path} ${match[2]}: ${length} lines`);
  }
  return found;
}

test(`no function is over ${LINES_PER_FUNCTION_MAX} lines`, () => {
  check("length of functions", files.flatMap(longFunctions));
});

test("every source file is used by another", () => {
  const used = new Set(
    files.flatMap(({ path, imports }) => imports.map((target) => target.path).filter((to) => to !== path)),
  );
  const broken = code
    .filter(({ path }) => !/^src\/(simulator\/)?main\.ts$/.test(path) && !used.has(path))
    .map(({ path }) => path);
  check("unused files", broken);
});

test("every folder of src that is a concept has a README", () => {
  const folders = new Set(code.map(({ path }) => dirname(path)).filter((path) => path !== "src"));
  const broken = [...folders].filter((path) => !globSync("README.md", { cwd: join(ROOT, path) }).length);
  check("READMEs", broken);
});

test("a unit test stands beside the file that it tests", () => {
  const known = new Set(sources.map(({ path }) => path));
  // `receiver_end.test.ts` is of `receiver.ts`: a large subject may have a test file per aspect.
  const isTested = (path: string): boolean => {
    const words = basename(path, ".test.ts").split("_");
    return words.some((_, last) =>
      known.has(join(dirname(path), `${words.slice(0, last + 1).join("_")}.ts`)),
    );
  };
  const broken = sources
    .map(({ path }) => path)
    .filter((path) => path.endsWith(".test.ts") && !isTested(path));
  check("tests beside their file", broken);
});
