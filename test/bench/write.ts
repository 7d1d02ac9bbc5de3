// SPDX-License-Identifier: Apache-2.0
import { constants, gzipSync } from "node:zlib";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { Interner } from "../../src/metrics/interner.ts";
import type { Reading } from "../../src/metrics/model.ts";
import { PageComposer } from "../../src/prometheus/page/compose.ts";
import { PageParser } from "../../src/prometheus/parse/page_parser.ts";
import type { PageSource } from "../../src/prometheus/parse/page_source.ts";
import { defaultParseLimits } from "../../src/prometheus/parse/parse_limits.ts";
import { Chunk, PageWriter } from "../../src/prometheus/write/page_writer.ts";
import { createPage } from "../../src/simulator/pages.ts";
import type { SampleRow } from "./main.ts";
import { toResourceMetrics } from "./naive_otel.ts";
import { type NaiveSample, naiveParse } from "./naive_parse.ts";

const SANDBOXES = 250;
/** The slow implementations get fewer sandboxes, since their cost per sample does not depend on the number. */
const SANDBOXES_SLOW = 25;
const CHUNK_BYTES = 128 * 1024;
const ROUNDS = 40;
const ROUNDS_SLOW = 3;
const LABELS = ["sandbox_id", "cri_uid", "cri_name", "cri_namespace"];

interface Sandbox {
  /** The page, with one more byte at its end, which the parser may read. */
  readonly page: Buffer;
  readonly source: PageSource;
  readonly reading: Reading;
  readonly samples: readonly NaiveSample[];
  readonly identity: Readonly<Record<string, string>>;
}

/** Measures the writing of a whole node's page from its readings: the agent's writer, and ones with an object per sample. */
export function benchWrite(): readonly SampleRow[] {
  const sandboxes = simulate();
  const few = sandboxes.slice(0, SANDBOXES_SLOW);
  const sdkInput = toResourceMetrics(few);
  const serializer = new PrometheusSerializer("", false, undefined, true, true);
  const readings = sandboxes.map(({ reading }) => reading);
  const pages = new PageComposer({
    namespace: "",
    labels: {
      mapped: LABELS.map((label) => ({ label, attribute: label })),
      constant: [],
      others: false,
    },
    onConflict: () => {},
  });
  const chunk = new Chunk(CHUNK_BYTES);
  const write = (take: (bytes: Uint8Array) => void, of: readonly Reading[] = readings): void => {
    const writer = new PageWriter(pages.compose(of, { format: "text" }), { timestamps: false });
    for (let length = writer.fill(chunk); length > 0; length = writer.fill(chunk))
      take(chunk.bytes.subarray(0, length));
  };
  let bytes = 0;
  write((written) => {
    bytes += written.length;
  });
  const whole = { samples: countSamples(sandboxes), bytes };
  const part = { samples: countSamples(few), bytes: (bytes * SANDBOXES_SLOW) / SANDBOXES };
  return [
    measure("Prometheus text", whole, () => write(() => {})),
    measure("Prometheus text, gzip level 1", whole, () =>
      write((written) => gzipSync(written, { level: constants.Z_BEST_SPEED })),
    ),
    measure("parse the pages + Prometheus text", whole, () => write(() => {}, sandboxes.map(parseAgain))),
    measure("an object per sample, to strings", part, () => stringPage(few)),
    measure("parse to objects + strings", part, () =>
      stringPage(few.map((sandbox) => ({ ...sandbox, samples: naiveParse(sandbox.page.subarray(0, -1)) }))),
    ),
    measure("PrometheusSerializer of the OTel SDK, objects made beforehand", part, () =>
      serializer.serialize(sdkInput),
    ),
  ];
}

function parseAgain({ page, source, reading }: Sandbox): Reading {
  const { schema, values } = source.parse(page, page.length - 1);
  return { ...reading, schema, values };
}

function simulate(): Sandbox[] {
  const parser = new PageParser({
    interner: new Interner(),
    limits: defaultParseLimits,
  });
  return Array.from({ length: SANDBOXES }, (_, seed) => {
    const text = createPage({ flavor: "go", seed }).render();
    const samples = naiveParse(text);
    const page = Buffer.alloc(text.length + 1);
    text.copy(page);
    const source = parser.source([]);
    const { schema, values } = source.parse(page, text.length);
    const id = seed.toString(16).padStart(64, "0");
    const identity = {
      sandbox_id: id,
      cri_uid: `${id.slice(0, 8)}-0000-4000-8000-${id.slice(0, 12)}`,
      cri_name: `deployment-5d4f8c7b9-${seed}`,
      cri_namespace: "default",
    };
    const attributes = Object.entries(identity).map(([key, value]) => ({ key, value }));
    const reading = { resource: { key: id, attributes }, schema, values, timeMs: 0, startMs: 0 };
    return { page, source, reading, samples, identity };
  });
}

function countSamples(sandboxes: readonly Sandbox[]): number {
  return sandboxes.reduce((sum, { samples }) => sum + samples.length, 0);
}

interface Work {
  readonly samples: number;
  readonly bytes: number;
}

/** Returns the median of several rounds. The first ones, in which code is compiled, do not count. */
function measure(name: string, { samples, bytes }: Work, work: () => unknown): SampleRow {
  const rounds = samples > 100_000 ? ROUNDS : ROUNDS_SLOW;
  const times: number[] = [];
  for (let round = 0; round < rounds + 2; round++) {
    const start = performance.now();
    work();
    if (round >= 2) times.push(performance.now() - start);
  }
  const ms = times.sort((a, b) => a - b)[rounds >> 1] ?? Number.NaN;
  return { name, nsPerSample: (ms * 1e6) / samples, mbPerS: bytes / 1e3 / ms };
}

/** Writes a page in the obvious way: samples grouped by name, and a string per line. */
function stringPage(sandboxes: readonly Sandbox[]): string {
  const byName = new Map<string, string[]>();
  for (const { samples, identity } of sandboxes) {
    for (const { name, labels, value } of samples) {
      const pairs = Object.entries({ ...labels, ...identity }).map(
        ([key, text]) => `${key}="${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`,
      );
      const lines = byName.get(name) ?? [];
      byName.set(name, lines);
      lines.push(`${name}{${pairs.join(",")}} ${value}`);
    }
  }
  return [...byName.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, lines]) => `# TYPE ${name} untyped\n${lines.join("\n")}\n`)
    .join("");
}
