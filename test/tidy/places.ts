// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { code, ROOT } from "./sources.ts";

/** A folder of `src/`, or one of the files that are in no folder. */
interface Place {
  /** Relative to `src/`. A file ends with ".ts". */
  readonly path: string;
  /** Says what is there, for a place without a README. For all others the README's first sentence says it. */
  readonly about?: string;
  /** Holds a folder for each component, and these folders may have folders of their own. */
  readonly holdsComponents?: true;
}

/**
 * The order of the code, lowest first: a place may import only from places that come before it, types included. The code
 * map of src/README.md is printed from this list.
 */
const PLACES: readonly Place[] = [
  { path: "metrics" },
  { path: "clock" },
  { path: "text" },
  { path: "options" },
  { path: "files" },
  { path: "sockets" },
  { path: "wire" },
  { path: "compression" },
  { path: "component" },
  { path: "build_info.ts", about: "reads the name and the version of this build from package.json" },
  { path: "reporting" },
  { path: "process" },
  { path: "cri" },
  { path: "kata" },
  { path: "otlp" },
  { path: "prometheus/series" },
  { path: "prometheus/parse" },
  { path: "prometheus/page" },
  { path: "prometheus/write" },
  { path: "peer" },
  { path: "proxy" },
  { path: "tls" },
  { path: "auth" },
  { path: "http_server" },
  { path: "http_client" },
  { path: "grpc_client" },
  { path: "delivery" },
  { path: "pipeline" },
  { path: "telemetry" },
  { path: "config" },
  { path: "receivers", about: "the components that make readings, a folder each", holdsComponents: true },
  {
    path: "processors",
    about: "the components that change or delay readings, a folder each",
    holdsComponents: true,
  },
  {
    path: "exporters",
    about: "the components that serve or send readings, a folder each",
    holdsComponents: true,
  },
  {
    path: "extensions",
    about: "the components outside of the pipelines, a folder each",
    holdsComponents: true,
  },
  { path: "registry.ts", about: "component type → lazy import; the only file that names components" },
  { path: "agent.ts", about: "runs one configuration, and changes to another one while it runs" },
  { path: "commands" },
  { path: "program.ts", about: "arguments, signals, exit code: the only file that touches `process`" },
  { path: "main.ts", about: "the agent's commands; the package is everything that this file imports" },
  { path: "simulator" },
];

/** Where in `PLACES` the file is, or undefined where nothing in the list is its place. */
function rankOf(path: string): number | undefined {
  const inSrc = path.replace(/^src\//, "").replace(/\/generated\/.*/, "/generated.ts");
  const folder = dirname(inSrc);
  const rank = PLACES.findIndex((place) =>
    place.holdsComponents === true
      ? folder.startsWith(`${place.path}/`)
      : place.path === (folder === "." ? inSrc : folder),
  );
  return rank < 0 ? undefined : rank;
}

/** Every file that imports one from a place that is not below its own. */
export function importsUpward(): string[] {
  return code.flatMap(({ path, imports }) => {
    const from = rankOf(path);
    if (from === undefined) return [];
    return imports.flatMap((target) => {
      const to = rankOf(target.path);
      if (to === undefined || to <= from) return [];
      const [lower, higher] = [PLACES[from]?.path, PLACES[to]?.path];
      return [`${path}: imports ${target.path}; in test/tidy/places.ts "${lower}" is below "${higher}"`];
    });
  });
}

/** Folders and files of `src/` without a place in the list, and places in it that are not there any more. */
export function placesAmiss(): string[] {
  const unknown = code.filter(({ path }) => rankOf(path) === undefined);
  const places = unknown.map(({ path }) => (dirname(path) === "src" ? path : dirname(path)));
  return [
    ...[...new Set(places)].map(
      (place) =>
        `${place}: add it to PLACES in test/tidy/places.ts, above all that it imports and below all that imports it; then run node test/tidy/write.ts`,
    ),
    ...PLACES.filter(({ path }) => !existsSync(join(ROOT, "src", path))).map(
      ({ path }) => `${path}: is not in src any more; remove it from PLACES in test/tidy/places.ts`,
    ),
  ];
}

const MAP_BEGIN =
  "<!-- code map: written by `node test/tidy/write.ts` from test/tidy/places.ts and the READMEs -->\n\n";
const MAP_END = "\n<!-- end of the code map -->";

/** The text of src/README.md with the code map as the list and the imports make it. */
export function withCodeMap(readme: string): string {
  const begin = readme.indexOf(MAP_BEGIN);
  const end = readme.indexOf(MAP_END);
  if (begin < 0 || end < begin)
    throw new Error(`src/README.md lacks the lines "${MAP_BEGIN.trim()}" and "${MAP_END.trim()}"`);
  return `${readme.slice(0, begin + MAP_BEGIN.length)}${codeMap()}${readme.slice(end)}`;
}

function codeMap(): string {
  const rows = PLACES.map((place, rank) => [
    nameOf(place),
    aboutOf(place),
    dependenciesOf(rank).map(nameOf).join(", ") || "nothing",
  ]);
  const lines = [["folder", "what is there", "depends on"], ["---", "---", "---"], ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

function nameOf({ path }: Place): string {
  return path.endsWith(".ts") ? `\`${path}\`` : `\`${path}/\``;
}

function dependenciesOf(rank: number): Place[] {
  const ranks = code
    .filter(({ path }) => rankOf(path) === rank)
    .flatMap(({ imports }) => imports.map((target) => rankOf(target.path)));
  return PLACES.filter((_, at) => at !== rank && ranks.includes(at));
}

/** The first sentence of the folder's README, without its full stop, its capital and its links; files get their folder. */
function aboutOf({ path, about }: Place): string {
  if (about !== undefined) return about;
  const readme = readFileSync(join(ROOT, "src", path, "README.md"), "utf8");
  const [, paragraph = ""] = /^# .*\n+((?:.+\n?)+)/m.exec(readme) ?? [];
  const text = paragraph
    .replaceAll("\n", " ")
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replaceAll(/`(\w+\.ts)`/g, `\`${path}/$1\``)
    .trim();
  const [sentence = ""] = /^.*?(?=[.:]?$|\.\s)/.exec(text) ?? [];
  return /^[A-Z][a-z ]/.test(sentence) ? sentence.charAt(0).toLowerCase() + sentence.slice(1) : sentence;
}
