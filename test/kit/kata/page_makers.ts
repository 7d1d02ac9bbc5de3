// SPDX-License-Identifier: Apache-2.0
/** Makes the page that a guest shows in its n-th scrape. */
export type PageMaker = (scrape: number) => Buffer;

/** The largest message that ttrpc lets a guest send. */
export const GUEST_BYTES: number = 4 * 1024 ** 2;

/** Repeats the unit as often as it fits into `bytes`. */
function filled(unit: string, bytes: number): Buffer {
  const one = Buffer.from(unit);
  return Buffer.alloc(Math.floor(bytes / one.length) * one.length, one);
}

/** Joins the lines 0, 1, 2 … as long as they fit into `bytes`. */
function numbered(line: (index: number) => string, bytes: number): Buffer {
  const parts: string[] = [];
  for (let length = 0; ; ) {
    const text = line(parts.length);
    length += Buffer.byteLength(text);
    if (length > bytes) return Buffer.from(parts.join(""));
    parts.push(text);
  }
}

const LAST_NEW = (n: number): string => `kata_guest_a{i="x${n}"} 1\n`;

/** Makes a family of `count` samples that is the same in every scrape and sandbox. */
function samples(count: number, number = "1"): string {
  return Array.from({ length: count }, (_, i) => `kata_guest_a{i="${i}"} ${number}\n`).join("");
}

/** Fills pages of one size. */
interface Filler {
  readonly bytes: number;
  /** Repeats the unit as often as it fits. */
  fill(unit: string, size?: number): Buffer;
  /** Joins the lines 0, 1, 2 … as long as they fit. */
  lines(line: (index: number) => string, size?: number): Buffer;
}

type Makers = Readonly<Record<string, PageMaker>>;

/** Returns makers of pages of `bytes` bytes: one for each kind of page that costs, or might cost, more than an honest one. */
export function hostileMakers(bytes: number = GUEST_BYTES): Makers {
  const filler: Filler = {
    bytes,
    fill: (unit, size = bytes) => filled(unit, size),
    lines: (line, size = bytes) => numbered(line, size),
  };
  return { ...linesOfNothing(filler), ...longLines(filler), ...families(filler) };
}

/** Pages of lines that hold no sample, or none that can be read. */
function linesOfNothing({ bytes, fill, lines }: Filler): Makers {
  return {
    "bad lines": () => fill("}{ bad\n"),
    "one-byte lines": () => fill("x\n"),
    "blank lines": () => fill("\n"),
    "carriage returns": () => fill("\r\n"),
    comments: () => fill("#\n"),
    "long comments": () => fill(`#${" ".repeat(3_000)}\n`),
    "almost headers": () => fill("# HELPx\n"),
    "blanks in lines": () => fill(`${" ".repeat(15_000)}\n`),
    "blanks before samples": (n) => lines((i) => `${" ".repeat(300)}kata_guest_c{i="${n}_${i}"} 1\n`),
    "blanks between tokens": (n) =>
      lines((i) => `kata_guest_c { i = "${n}_${i}" , ${" ".repeat(200)}} ${"\t ".repeat(100)}1 \n`),
    "one line": () => Buffer.alloc(bytes, "x"),
    zeros: () => Buffer.alloc(bytes),
    "no UTF-8": () => Buffer.from(fill(`kata_guest_c{i="${"x".repeat(100)}ÿ"} 1\n`).toString(), "latin1"),
    "three-byte letters": (n) => lines((i) => `kata_guest_c{i="${n}_${i}${"☃".repeat(60)}"} 1\n`),
  };
}

/** Pages of samples and headers that are new in each scrape, long, or over a limit. */
function longLines({ fill, lines }: Filler): Makers {
  return {
    headers: () => fill("# TYPE kata_guest_a gauge\n"),
    "headers of new names": (n) => lines((i) => `# TYPE kata_guest_a${n}_${i} gauge\n`),
    "long HELP": (n) =>
      lines((i) => `# HELP kata_guest_a${n}_${i} ${"\\\\".repeat(1_500)}\nkata_guest_a${n}_${i} 1\n`),
    "new families": (n) => lines((i) => `# TYPE kata_guest_a${n}_${i} gauge\nkata_guest_a${n}_${i} 1\n`),
    "new families without headers": (n) => lines((i) => `kata_guest_a${n}_${i} 1\n`),
    "new series": (n) => lines((i) => `kata_guest_c{i="${n}_${i}"} 1\n`),
    "new values": (n) => lines((i) => `kata_guest_c{i="${i}"} ${n}\n`),
    "wide labels": (n) =>
      lines((i) => {
        const wide = Array.from({ length: 30 }, (_, j) => `l${j}="${"v".repeat(400)}"`).join(",");
        return `kata_guest_c{${wide},n="${n}_${i}"} 1\n`;
      }),
    "labels at every limit": (n) =>
      lines((i) => {
        const at = Array.from({ length: 7 }, (_, j) => `l${j}="${"v".repeat(250)}"`).join(",");
        return `kata_guest_c{${at},n="${n}_${i}"} 1\n`;
      }),
    "many short labels": (n) =>
      lines((i) => `a{${Array.from({ length: 1_000 }, (_, j) => `l${j}=""`).join(",")},n="${n}_${i}"} 1\n`),
    "one label again and again": () => fill(`a{${'a="",'.repeat(600)}} 1\n`),
    "long names": (n) => lines((i) => `kata_guest_${"n".repeat(3_000)}${n}_${i} 1\n`),
    "long numbers": () => lines((i) => `kata_guest_c{i="${i}"} ${"1".repeat(400)}\n`),
    "numbers of 39 digits": () => lines((i) => `kata_guest_c{i="${i}"} ${"1".repeat(39)}\n`),
    "long timestamps": () => lines((i) => `kata_guest_c{i="${i}"} 1 ${"1".repeat(400)}\n`),
    escapes: () => lines((i) => `kata_guest_c{i="${i}${"\\\\".repeat(200)}"} 1\n`),
    "escapes within the limit": (n) => lines((i) => `kata_guest_c{i="${n}_${i}${"\\\\".repeat(120)}"} 1\n`),
    "escapes in every label": (n) =>
      lines((i) => {
        const at = Array.from({ length: 7 }, (_, j) => `l${j}="${"\\n".repeat(250)}"`).join(",");
        return `kata_guest_c{${at},n="${n}_${i}"} 1\n`;
      }),
    "bad escapes": () => lines((i) => `kata_guest_c{i="${"\\\\".repeat(120)}\\x${i}"} 1\n`),
    "unclosed quotes": () => fill(`kata_guest_c{i="${"\\\\".repeat(1_500)} 1\n`),
  };
}

/** Pages of families that are almost alike, or known already, or slow to read. */
function families({ bytes, fill, lines }: Filler): Makers {
  return {
    histograms: (n) =>
      lines(
        (i) =>
          `# TYPE kata_shim_h${n}_${i} histogram\nkata_shim_h${n}_${i}_bucket{le="+Inf"} 1\nkata_shim_h${n}_${i}_sum 1\nkata_shim_h${n}_${i}_count 1\n`,
      ),
    "one histogram": (n) =>
      Buffer.concat([
        Buffer.from("# TYPE kata_shim_h histogram\n"),
        lines((i) => `kata_shim_h_bucket{n="${n}",le="${(i * 7919) % 100_003}"} 1\n`),
      ]),
    "bounds of many digits": (n) =>
      Buffer.concat([
        Buffer.from("# TYPE kata_shim_h histogram\n"),
        lines((i) => `kata_shim_h_bucket{n="${n}",le="${"9".repeat(200)}${i}"} 1\n`),
      ]),
    "one prefix": (n) => {
      const name = `kata_guest_${"p".repeat(90)}`;
      return lines((i) => `# HELP ${name}${i} x\n# TYPE ${name}${i} gauge\n${name}${i} ${n}\n`);
    },
    "variants of one family": (n) =>
      Buffer.from(`# TYPE kata_guest_a gauge\n${samples(280)}${LAST_NEW(n % 24)}`),
    "one family again and again, almost known": (n) =>
      fill(`# TYPE kata_guest_a gauge\n${samples(280)}${LAST_NEW(n % 24)}`),
    "almost known, numbers that are slow to read": (n) =>
      fill(`# TYPE kata_guest_a gauge\n${samples(280, "1".repeat(38))}${LAST_NEW(n % 24)}`),
    "almost known and then nothing new": (n) =>
      lines(
        (i) =>
          `# TYPE kata_guest_a gauge\n${samples(280)}${LAST_NEW(n < 8 ? n + i * 100 : 1_000 + n * 999 + i)}`,
      ),
    "known, numbers that are slow to read": () =>
      fill(`# TYPE kata_guest_a gauge\n${samples(2_900, "1".repeat(38))}`),
    "known family again and again": () => fill(`# TYPE kata_guest_a gauge\n${samples(900)}`),
    "a bit of everything": (n) =>
      Buffer.concat([
        lines((i) => `# TYPE kata_guest_a${n}_${i} gauge\nkata_guest_a${n}_${i} 1\n`, 60_000),
        lines((i) => `kata_guest_c{i="${n}_${i}"} 1\n`, 60_000),
        fill("}{ bad\n", 6_500),
        lines((i) => `kata_guest_d{i="${n}_${i}${"\\\\".repeat(120)}"} 1\n`, 300_000),
        fill("\n", bytes * 0.8),
        fill("x\n", 90_000),
      ]),
  };
}
