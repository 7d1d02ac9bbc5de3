// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { circles } from "./tidy/circles.ts";
import { importsUpward, placesAmiss } from "./tidy/places.ts";
import { code, files, ROOT, type Source, sources } from "./tidy/sources.ts";

const LINES_PER_FILE_MAX = 600;
const LINES_PER_FUNCTION_MAX = 70;
/** The limit in the folder of the delivery, where each file does one step. */
const LINES_PER_DELIVERY_FILE_MAX = 250;
const LINES_PER_CLASS_MAX = 250;
const FIELDS_PER_CLASS_MAX = 12;

/**
 * Places that may break a rule, each with its reason. The key is how a failing rule begins: a file, a file and a function
 * or class, or the exported name. An entry that no rule needs any more fails.
 */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "src/otlp/paced_json.ts": "a pause, which lets others run, is no input or output",
};

const unused = new Set(Object.keys(EXCEPTIONS));

/** Fails where one of `broken` is no exception. Each begins with its place and a colon. */
function check(rule: string, broken: readonly string[]): void {
  const left = broken.filter((line) => {
    const [place = ""] = line.split(": ");
    unused.delete(place);
    return EXCEPTIONS[place] === undefined;
  });
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

test("every folder of src has a place in the order of the code", () => {
  check("places", placesAmiss());
});

test("no file imports one from a place above its own, types included", () => {
  check("order of the code", importsUpward());
});

/** The circles that imports make, types included, between what `nameOf` makes of files. */
function importCircles(nameOf: (path: string) => string): string[] {
  const edges = new Map<string, Set<string>>();
  for (const { path, imports } of code)
    for (const target of imports.filter(({ isLazy }) => !isLazy)) {
      const [from, to] = [nameOf(path), nameOf(target.path)];
      const known = edges.get(from) ?? new Set();
      edges.set(from, known);
      if (from !== to) known.add(to);
    }
  return circles(edges).map((circle) => `${circle[0]}: is in a circle with ${circle.slice(1).join(", ")}`);
}

test("no files import each other in a circle, types included", () => {
  check(
    "circles of files",
    importCircles((path) => path),
  );
});

test("no folders import each other in a circle, types included", () => {
  // The order of the places has the files of no folder.
  check(
    "circles of folders",
    importCircles((path) => (dirname(path) === "src" ? path : dirname(path))),
  );
});

test("a unit test imports from test/kit only, of all in test/", () => {
  const broken = sources.flatMap(({ path, imports }) =>
    imports
      .filter((target) => target.path.startsWith("test/") && !target.path.startsWith("test/kit/"))
      .map((target) => `${path}: imports ${target.path}; move what it needs to test/kit`),
  );
  check("imports of tests", broken);
});

test("test/kit imports nothing from the tests that use it", () => {
  const broken = files
    .filter(({ path }) => path.startsWith("test/kit/"))
    .flatMap(({ path, imports }) =>
      imports
        .filter((target) => target.path.startsWith("test/") && !target.path.startsWith("test/kit/"))
        .map((target) => `${path}: imports ${target.path}`),
    );
  check("imports of the kit", broken);
});

test("no exported name is in two files of src", () => {
  const names = new Map<string, string[]>();
  for (const { path, text } of code)
    for (const [, name = ""] of text.matchAll(EXPORTED)) names.set(name, [...(names.get(name) ?? []), path]);
  // Each component's module exports its factory under that name.
  names.delete("factory");
  const doubled = [...names].filter(([, paths]) => new Set(paths).size > 1);
  check(
    "exported names",
    doubled.map(([name, paths]) => `export ${name}: in ${[...new Set(paths)].join(" and ")}`),
  );
});

const EXPORTED =
  /^export (?:declare )?(?:async )?(?:abstract )?(?:function\*?|const|let|class|interface|type|enum) ([\w$]+)/gm;

test("every source file says its licence in its first line", () => {
  const written = globSync("{src,test,tools,.ci}/**/{*.ts,*.py,*.go,*.sh,run}", { cwd: ROOT }).filter(
    (path) => !path.includes("generated"),
  );
  assert.ok(written.length > files.length);
  const broken = written
    .filter((path) => {
      const lines = readFileSync(join(ROOT, path), "utf8").split("\n", 2);
      const line = lines[0]?.startsWith("#!") ? lines[1] : lines[0];
      return !/^(\/\/|#) SPDX-License-Identifier: Apache-2\.0$/.test(line ?? "");
    })
    .map((path) => `${path}: its first line is not the SPDX line`);
  check("licences", broken);
});

/** A comment that begins so has its subject elsewhere, and a stranger has to look for it. */
const HEADLESS = /^\s*(?:\/\/|\/\*\*) (?:What|Of|Whoever|Those|Likewise)\b/;

test("a comment begins with its subject", () => {
  const broken = files.flatMap(({ path, lines }) =>
    lines.flatMap((line, at) =>
      HEADLESS.test(line) && !/^\s*\/\//.test(lines[at - 1] ?? "")
        ? [`${path}:${at + 1}: ${line.trim()}`]
        : [],
    ),
  );
  check("headless comments", broken);
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

test(`no file of the delivery is over ${LINES_PER_DELIVERY_FILE_MAX} lines`, () => {
  const parts = code.filter(({ path }) => path.startsWith("src/delivery/"));
  assert.ok(parts.length > 0);
  const broken = parts
    .filter(({ lines }) => lines.length - 1 > LINES_PER_DELIVERY_FILE_MAX)
    .map(({ path, lines }) => `${path}: ${lines.length - 1} lines`);
  check("length of the delivery's files", broken);
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

const FIELD = /^ {2}(?:declare |static )?(?:readonly |override |accessor )*#?\w+[?!]?(?::|\s=)/;

/** Relies on the formatter, as `longFunctions` does. */
function largeClasses({ path, lines }: Source): string[] {
  return lines.flatMap((line, index) => {
    const name = /^(?:export )?(?:abstract )?class (\w+)/.exec(line)?.[1];
    if (name === undefined) return [];
    const end = lines.findIndex((other, at) => at > index && other === "}");
    const length = end - index + 1;
    const fields = lines
      .slice(index + 1, end)
      .filter((one) => FIELD.test(one) && !/=> \{$|\) =>/.test(one)).length;
    if (length <= LINES_PER_CLASS_MAX && fields <= FIELDS_PER_CLASS_MAX) return [];
    return [`${path} ${name}: ${length} lines, ${fields} fields`];
  });
}

test(`no class is over ${LINES_PER_CLASS_MAX} lines or ${FIELDS_PER_CLASS_MAX} fields`, () => {
  check("size of classes", files.flatMap(largeClasses));
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

test("a unit test is next to the file that it tests", () => {
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
  check("tests next to their files", broken);
});

test("every exception is needed by a rule of those above", () => {
  assert.deepEqual([...unused], [], "remove them from EXCEPTIONS");
});
