// SPDX-License-Identifier: Apache-2.0
import { below, pick } from "./mutate.ts";
import { BACKEND_LABELS, FORGED_HELP, FORGED_LABEL } from "./said_of_whom.ts";

/**
 * Converts a string to text with one byte per character, which is written as latin1. In this file all text is of this kind,
 * since it can also hold bytes that are not UTF-8.
 */
export function asBytes(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** The material of a hostile text. */
export interface Forgery {
  readonly random: () => number;
  /** The value of lines that must not be on the page, or not under that name. */
  readonly mark: string;
  /** Makes values that replace the mark, where forged lines need not be recognized on the page. */
  readonly number?: () => string;
  /** Labels, as text, that claim that a sample is another sandbox's. */
  readonly victim: string;
  /** The names of the shim's own families. */
  readonly hostNames: readonly string[];
  /** The names of an honest guest's families. */
  readonly guestNames: readonly string[];
}

const TYPES = ["gauge", "counter", "histogram", "summary", "untyped"];
const ODD_TYPES = ["unknown", "info", "stateset", "gaugehistogram", "Gauge", "", "gauge gauge", "0"];
const SUFFIXES = ["_bucket", "_sum", "_count", "_total", "_created", "_info", "_gcount", "_gsum", "_"];

/** Names that belong to the agent, to kata-monitor or to a Prometheus server. */
const OTHERS_NAMES = [
  "kata_monitor_running_shim_count",
  "kata_monitor_scrape_count",
  "kata_collector_sandbox_up",
  "kata_collector_sandbox_state",
  "kata_collector_sandbox_scrape_samples",
  "kata_collector_sandboxes",
  "kata_collector_forged",
  "up",
  "scrape_duration_seconds",
  "scrape_samples_scraped",
  "target_info",
  "otelcol_process_uptime",
  "go_goroutines",
  "process_cpu_seconds_total",
  "kata_shim_go_goroutines",
  "kata_shim_process_cpu_seconds_total",
  "vendor_a",
];

const NUMBERS = (
  "NaN nan NAN -NaN +NaN nan(1) Inf +Inf -Inf inf +inf iNf Infinity -Infinity +infinity 1e999 -1e999 1e-999 0x1p3 0x10 " +
  "0X1P-2 1_000 .5 5. +1 -0 - + . e 1e 1e+ 00 1.2.3 1,5 0b1 0o7 1f 1d 9223372036854775808 18446744073709551616 " +
  "0.1e1 1E5 true null # {}"
).split(" ");

/** Values that are impossible for counters, and some that are possible. */
const COUNTS = "-1 -0.5 NaN +Inf -Inf 0.5 1e300 9007199254740993 18446744073709551615 0 1 2 3".split(" ");

/** Values of lines that are not forged. */
export function oddCount(random: () => number): string {
  return pick(COUNTS, random);
}

/** Label values that have broken parsers, or might. */
const VALUES = [
  "",
  " ",
  ...["é", "☃", "𐍈", "\ufeff", "\u2028", "\u0085", "\u202e", "\ufffd", "\u0000", "\u007f"].map(asBytes),
  ...["\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x98", "\x80"],
  ...["\\\\", '\\"', "\\n", "\\t", "\\x", "\\u0041", "\\", '"', "\n", "\r", "\t"],
  ...["}", "{", ",", "=", '",b="', '"} 1\nforged_line 1\n', "# EOF"],
];

const ODD_NAMES = [
  ...["kata_guest_é", "\ufeffkata_guest_a"].map(asBytes),
  ...["kata_guest_\xff", "9kata", "kata_guest_a.b", "", ":", "kata guest", "__name__"],
];

const NAMES_OF_LABELS = [
  ...["__name__", "__address__", "job", "instance", "le", "quantile", "item", "a", "A", "_", "a:b", "9", ""],
  ...[
    "exported_sandbox_id",
    "exported_cri_name",
    "exported_exported_sandbox_id",
    "exported_item",
    "SANDBOX_ID",
  ],
  ...["a.b", "a-b", '"a"', asBytes("é"), "\xff", "trace_id"],
];

/** Labels that no family of Kata's has. */
const NEW_LABELS = ["color", "owner", "severity", "alertname", "__tenant_id__", "team", "A", "x_y"];

function typeOf(random: () => number): string {
  return pick(random() < 0.8 ? TYPES : ODD_TYPES, random);
}

/** A small set of unusual names, so that sandboxes use the same ones. */
function guestName(random: () => number): string {
  const name = `${pick(["kata_guest_x", "kata_agent_y", "vendor_z"], random)}${below(4, random)}`;
  return random() < 0.4 ? name + pick(SUFFIXES, random) : name;
}

function anyName({ random, hostNames, guestNames }: Forgery): string {
  const names = pick([hostNames, guestNames, OTHERS_NAMES], random);
  const name = random() < 0.3 ? guestName(random) : pick(names, random);
  return random() < 0.15 ? name + pick(SUFFIXES, random) : name;
}

function braces(labels: readonly string[]): string {
  const some = labels.filter((label) => label !== "");
  return some.length === 0 ? "" : `{${some.join(",")}}`;
}

/** Makes a whole family with the lines of its type, some of them damaged. */
function familyText(name: string, type: string, { random, mark, number = () => mark }: Forgery): string {
  const own = pick(['item="a"', "", 'a="1"'], random);
  const line = (suffix: string, label = ""): string =>
    `${name}${suffix}${braces([own, label])} ${number()}\n`;
  const header = `# HELP ${name} ${FORGED_HELP}\n# TYPE ${name} ${type}\n`;
  if (type === "histogram") {
    const bounds = pick([BOUNDS, ODD_BOUNDS, ["+Inf"], ["1", "2"], []], random);
    const buckets = bounds.map((bound) => line("_bucket", `le="${bound}"`));
    return header + [...buckets, ...someTotals(line, random)].join("");
  }
  if (type === "summary") {
    const quantiles = pick([["0", "0.5", "1"], ODD_BOUNDS, []], random);
    const lines = quantiles.map((quantile) => line("", `quantile="${quantile}"`));
    return header + [...lines, ...someTotals(line, random)].join("");
  }
  return header + line("") + (random() < 0.3 ? line("", 'b="2"') : "");
}

/** Like `familyText`, with values that are often impossible for the type. */
function oddFamily(name: string, type: string, forgery: Forgery): string {
  return familyText(name, type, { ...forgery, number: () => oddCount(forgery.random) });
}

const BOUNDS = ["1", "2.5", "+Inf"];
const ODD_BOUNDS = ["1", "1.0", "1e0", "NaN", "+Inf", "inf", "", "-1", "x", "2", "1"];

function someTotals(line: (suffix: string) => string, random: () => number): string[] {
  return ["_sum", "_count"].filter(() => random() < 0.85).map((suffix) => line(suffix));
}

type Piece = (forgery: Forgery) => string;

const PIECES: Readonly<Record<string, Piece>> = {
  forged_identity: (forgery) => {
    const { random, mark, victim } = forgery;
    const all = victim.split(",");
    const labels = random() < 0.4 ? all : all.filter(() => random() < 0.5);
    const spaced = labels.map((label) => (random() < 0.2 ? label.replace("=", " = ") : label));
    const quoted = spaced.map((label) => (random() < 0.1 ? label.replace(/^\w+/, '"$&"') : label));
    const own = random() < 0.5 ? ['item="forged"'] : [];
    return `${anyName(forgery)}${braces([...own, ...quoted])}${pick(["", " ", ","], random)} ${mark}\n`;
  },
  backend_labels: (forgery) => {
    const { random, mark } = forgery;
    const names = BACKEND_LABELS.filter(() => random() < 0.2);
    const own = random() < 0.5 ? ['item="a"'] : [];
    const labels = names.map((name) => `${name}="${FORGED_LABEL}"`);
    return `${anyName(forgery)}${braces([...own, ...labels])} ${mark}\n`;
  },
  labels_of_nobody: ({ random, mark }) =>
    Array.from({ length: 3 }, () => {
      const name = pick(
        ["kata_guest_meminfo", "kata_agent_threads", "kata_guest_x0", "kata_agent_y1"],
        random,
      );
      const labels = NEW_LABELS.filter(() => random() < 0.4).map((label) => `${label}="${FORGED_LABEL}"`);
      return `${name}${braces(labels)} ${mark}\n`;
    }).join(""),
  duplicate_labels: (forgery) =>
    `${anyName(forgery)}{item="a",${pick(["item", "b", "le"], forgery.random)}="a",item="b"} ${forgery.mark}\n`,
  second_headers: (forgery) => {
    const name = anyName(forgery);
    const type = typeOf(forgery.random);
    return pick(
      [
        `# TYPE ${name} ${type}\n`,
        `# HELP ${name} again\n`,
        `# TYPE ${name} ${type}\n# TYPE ${name} gauge\n`,
      ],
      forgery.random,
    );
  },
  known_family: (forgery) => familyText(anyName(forgery), typeOf(forgery.random), forgery),
  new_family: (forgery) => familyText(guestName(forgery.random), typeOf(forgery.random), forgery),
  several_families: (forgery) =>
    Array.from({ length: 5 }, () =>
      familyText(guestName(forgery.random), pick(TYPES, forgery.random), forgery),
    ).join(""),
  odd_counts: (forgery) => {
    const name = guestName(forgery.random) + pick(["_total", "_total", ""], forgery.random);
    return oddFamily(name, pick(["counter", "histogram", "summary"], forgery.random), forgery);
  },
  created_beside: (forgery) => {
    const { random } = forgery;
    const name = guestName(random);
    const texts = [
      oddFamily(`${name}_total`, "counter", forgery),
      oddFamily(`${name}_created`, pick(TYPES, random), forgery),
      oddFamily(`${name}_created_total`, "counter", forgery),
      oddFamily(name, pick(TYPES, random), forgery),
      oddFamily(`${name}_info`, pick(TYPES, random), forgery),
    ];
    return texts.filter(() => random() < 0.6).join("");
  },
  others_family: (forgery) =>
    familyText(pick(OTHERS_NAMES, forgery.random), pick(TYPES, forgery.random), forgery),
  host_family: (forgery) =>
    familyText(pick(forgery.hostNames, forgery.random), typeOf(forgery.random), forgery),
  lines_without_headers: (forgery) =>
    Array.from({ length: 3 }, () => `${anyName(forgery)} ${forgery.mark}\n`).join(""),
  child_of_other: (forgery) => {
    const parent = guestName(forgery.random);
    const parts = [
      familyText(parent, pick(["histogram", "summary", "gauge"], forgery.random), forgery),
      familyText(parent + pick(SUFFIXES, forgery.random), typeOf(forgery.random), forgery),
    ];
    return (forgery.random() < 0.5 ? parts : parts.reverse()).join("");
  },
  timestamps: (forgery) => {
    const stamp = pick(
      ["1700000000000", "0", "-1", "9223372036854775807", "99999999999999999999", "1.5", "1e3", "now", "1 2"],
      forgery.random,
    );
    return `${anyName(forgery)} ${forgery.mark} ${stamp}\n`;
  },
  exemplars: (forgery) => {
    const tail = pick(
      [' # {trace_id="1"} 1', " # {} 1 1", " # {", "#", ' # {a="b"} 1 1700000000.5'],
      forgery.random,
    );
    return `${anyName(forgery)}${pick(["", '{item="a"}', '_bucket{le="1"}'], forgery.random)} ${forgery.mark}${tail}\n`;
  },
  end_of_file: () => "# EOF\n",
  series_twice: ({ random, mark }) => {
    const name = guestName(random);
    const lines = [
      [`${name}{a="1",b="2"}`, `${name}{b="2",a="1"}`],
      [`${name}{a=""}`, name],
      [`${name}{a="1",b=""}`, `${name}{a="1"}`],
      [`${name}{}`, name],
      [`${name}{a="\\\\n"}`, `${name}{a="\\n"}`],
    ];
    return pick(lines, random)
      .map((series) => `${series} ${mark}\n`)
      .join("");
  },
  odd_values_of_labels: (forgery) =>
    `${anyName(forgery)}{item="${pick(VALUES, forgery.random)}",a="${pick(VALUES, forgery.random)}"} ${forgery.mark}\n`,
  odd_names_of_labels: (forgery) =>
    `${anyName(forgery)}{${pick(NAMES_OF_LABELS, forgery.random)}="x",${pick(NAMES_OF_LABELS, forgery.random)}="kata_shim_threads"} ${forgery.mark}\n`,
  odd_numbers: ({ random }) =>
    Array.from({ length: 4 }, (_, at) => `kata_guest_odd{item="${at}"} ${pick(NUMBERS, random)}\n`).join(""),
  odd_headers: (forgery) => {
    const name = anyName(forgery);
    const odd = [
      `# HELP ${name} ${pick(VALUES, forgery.random)}\n`,
      `# HELP ${name}\n`,
      `# HELP ${name} a\\nb\\\\n\\"\\x\\\n`,
      "# HELP\n# TYPE\n",
      `# TYPE ${name}\n`,
      `#TYPE ${name} gauge\n`,
      `#  TYPE\t${name}  gauge  \n`,
      `# UNIT ${name} bytes\n`,
      `# TYPE ${name} gauge # x\n`,
      `# HELP "${name}" x\n# TYPE {"${name}"} gauge\n`,
      `# HELP ${name} ${"h".repeat(70_000)}\n`,
    ];
    return pick(odd, forgery.random);
  },
  odd_names: ({ random, mark }) => {
    const name = pick(ODD_NAMES, random);
    return `# TYPE ${name} gauge\n${name} ${mark}\n{"${name}",a="b"} ${mark}\n`;
  },
  odd_blanks: (forgery) => {
    const blank = (): string =>
      pick([" ", "\t", "  ", "\x0b", "\x0c", asBytes("\u00a0"), "\r", ""], forgery.random);
    return `${blank()}${anyName(forgery)}${blank()}{${blank()}item${blank()}=${blank()}"a"${blank()},}${blank()}${forgery.mark}${blank()}\n`;
  },
  enormous_name: ({ random, mark }) => `kata_guest_${"n".repeat(10 ** (1 + below(5, random)))} ${mark}\n`,
  enormous_value: ({ random, mark }) =>
    `kata_guest_big{item="${pick(["v", "\\\\", '\\"', asBytes("☃")], random).repeat(10 ** (1 + below(5, random)))}"} ${mark}\n`,
  many_labels: ({ random, mark }) => {
    const labels = Array.from({ length: 10 ** (1 + below(3, random)) }, (_, at) => `l${at}="${at}"`);
    return `kata_guest_wide${braces(labels)} ${mark}\n`;
  },
  many_series: ({ random, mark }) => {
    const name = guestName(random);
    return Array.from(
      { length: 10 ** (2 + below(3, random)) },
      (_, at) => `${name}{n="${at}"} ${mark}\n`,
    ).join("");
  },
  many_families: ({ random, mark }) => {
    const first = below(3, random) * 1_000;
    return Array.from(
      { length: 10 ** (2 + below(3, random)) },
      (_, at) => `# TYPE kata_guest_f${first + at} gauge\nkata_guest_f${first + at} ${mark}\n`,
    ).join("");
  },
  many_lines_behind_host_family: (forgery) => {
    // The shim's own part may come after the place where a limit cuts the page.
    const line = pick(['x{n="%"} 1\n', "} bad %\n", 'kata_guest_n{n="%"} 1\n'], forgery.random);
    const lines = Array.from({ length: 3_000 }, (_, at) => line.replace("%", String(at)));
    const family = familyText(pick(forgery.hostNames, forgery.random), "gauge", forgery);
    return forgery.random() < 0.5 ? [family, ...lines].join("") : [...lines.slice(0, -2), family].join("");
  },
  noise: ({ random }) =>
    Array.from({ length: below(400, random) }, () => String.fromCharCode(below(256, random))).join(""),
};

const PIECE_NAMES = Object.keys(PIECES);
/** Pieces that are hostile by their size. They are rarer, since they take long. */
const LARGE = /^(enormous|many)_/;

/** Makes one hostile text, of whole lines or not, with its name. */
export function hostileText(forgery: Forgery): { readonly trick: string; readonly text: string } {
  let trick = pick(PIECE_NAMES, forgery.random);
  if (LARGE.test(trick) && forgery.random() < 0.7) trick = pick(PIECE_NAMES, forgery.random);
  return { trick, text: PIECES[trick]?.(forgery) ?? "" };
}
