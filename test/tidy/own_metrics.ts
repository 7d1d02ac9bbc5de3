// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import type { MetricOptions } from "@opentelemetry/api";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { FakeClock } from "../../src/clock/fake_clock.ts";
import { run } from "../../src/commands/run.ts";
import { MonitorFamilies } from "../../src/extensions/kata_monitor_api/monitor_families.ts";
import { Interner } from "../../src/metrics/interner.ts";
import type { Family } from "../../src/metrics/model.ts";
import { OwnFamilies } from "../../src/receivers/kata/pages/own_families.ts";
import { registry } from "../../src/registry.ts";
import { LineOutput } from "../../src/reporting/line_output.ts";
import { ProcessLog } from "../../src/reporting/process_log.ts";
import { createTestAuthority } from "../kit/certificates.ts";
import { smallestConfig } from "../kit/component/smallest_config.ts";
import { freePort } from "../kit/free_port.ts";
import { pullReader } from "../kit/node/agent_process.ts";
import { poll } from "../kit/poll.ts";
import { code, ROOT } from "./sources.ts";

/** A metric of the agent's own, as its documentation has it. */
interface OwnMetric {
  /** The name on a Prometheus page. */
  readonly name: string;
  readonly kind: string;
  readonly unit: string;
  readonly meaning: string;
  /** The folder of `src/` whose code makes it. */
  readonly folder: string;
}

const CREATE = /\.create((?:Observable)?(?:Counter|UpDownCounter|Gauge|Histogram))\(/g;

/** The text of docs/metrics.md. Needs the program `openssl`. */
export async function metricsPage(): Promise<string> {
  const instruments = await instrumentsOfAnAgent();
  return [
    "# Metrics",
    "<!-- Written by `node test/tidy/write.ts` from what a running agent makes. -->",
    "## About the agent",
    [
      "They are on `localhost:8888/metrics` unless `service::telemetry::metrics` says otherwise, and are sent with OTLP where a",
      "reader there is periodic. A counter has `_total` at the end of its name on the page only. Names that begin with `otelcol_`",
      "are the Collector's.",
    ].join("\n"),
    table(instruments),
    "## About each sandbox",
    "They are on the pages and in the requests of the exporters, in front of the shim's own metrics.",
    table(sandboxFamilies()),
    "## As kata-monitor has them",
    "The extension `kata_monitor_api` adds them to its `/metrics`, under kata-monitor's names.",
    table(monitorFamilies()),
  ]
    .join("\n\n")
    .concat("\n");
}

function table(metrics: readonly OwnMetric[]): string {
  const rows = [...metrics]
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map(({ name, kind, unit, meaning, folder }) => {
      const where = `[${folder}](../src/${folder}/README.md)`;
      return `| \`${name}\` | ${kind} | ${unit} | ${meaning} | ${where} |\n`;
    });
  return `| metric | kind | unit | meaning | made by |\n| --- | --- | --- | --- | --- |\n${rows.join("")}`.trimEnd();
}

/** Runs an agent with every component, and returns every instrument that it makes. */
async function instrumentsOfAnAgent(): Promise<OwnMetric[]> {
  const folder = mkdtempSync(join(tmpdir(), "metrics-"));
  const authority = createTestAuthority();
  const recorded = recordInstruments();
  try {
    authority.issue("agent", "IP:127.0.0.1");
    const tls = { cert_file: authority.file("agent.crt"), key_file: authority.file("agent.key") };
    await runShortly(await everyComponent(folder, tls));
  } finally {
    recorded.stop();
    authority.remove();
    rmSync(folder, { recursive: true });
  }
  const unseen = code
    .flatMap(({ path, text }) =>
      Array.from(text.matchAll(CREATE), ({ index }) => `${path}:${text.slice(0, index).split("\n").length}`),
    )
    .filter((place) => !recorded.places.has(place));
  if (unseen.length > 0)
    throw new Error(
      `test/tidy/own_metrics.ts runs an agent that does not make the metrics of ${unseen.join(" and ")}; change its configuration so that it does`,
    );
  return [...recorded.metrics.values()];
}

/** Makes the SDK tell of every instrument that is made in this process, and where in `src/`, until `stop`. */
function recordInstruments() {
  const metrics = new Map<string, OwnMetric>();
  const places = new Set<string>();
  const prototype = Object.getPrototypeOf(new MeterProvider().getMeter("any")) as Record<
    string,
    (name: string, options?: MetricOptions) => unknown
  >;
  const originals = Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(([key]) =>
    `.${key}(`.match(CREATE),
  );
  for (const [key, { value: original }] of originals) {
    prototype[key] = function (this: unknown, name, options = {}) {
      const place = placeOfCaller();
      places.add(place);
      const kind = key
        .replace(/^create(Observable)?/, "")
        .replace("UpDownCounter", "Gauge")
        .toLowerCase();
      const { unit = "", description: meaning = "" } = options;
      const folder = dirname(relative("src", place));
      metrics.set(name, { name: kind === "counter" ? `${name}_total` : name, kind, unit, meaning, folder });
      return original.call(this, name, options);
    };
  }
  return {
    metrics,
    places,
    stop: () => {
      for (const [key, descriptor] of originals) Object.defineProperty(prototype, key, descriptor);
    },
  };
}

/** The first place in the project's sources on the stack: "src/file.ts:12". */
function placeOfCaller(): string {
  const [, path = "", line = ""] =
    new RegExp(`file://${ROOT}/(src/[^:]+):(\\d+)`).exec(new Error("here").stack ?? "") ?? [];
  return `${path}:${line}`;
}

/** A configuration with one of each component, all of them in one pipeline. */
async function everyComponent(folder: string, tls: object): Promise<object> {
  const sections: Record<string, Record<string, object>> = {};
  for (const section of ["receivers", "processors", "exporters", "extensions"] as const) {
    const configs: Record<string, object> = {};
    for (const type of Object.keys(registry[section]))
      configs[type] = await smallestConfig(`${section}/${type}`, folder);
    sections[section] = configs;
  }
  Object.assign(sections["exporters"]?.["prometheus"] ?? {}, { tls });
  const idsOf = (section: string): string[] => Object.keys(sections[section] ?? {});
  const metrics = {
    receivers: idsOf("receivers"),
    processors: idsOf("processors"),
    exporters: idsOf("exporters"),
  };
  const reader = pullReader(await freePort());
  return {
    ...sections,
    service: {
      extensions: idsOf("extensions"),
      telemetry: { metrics: { readers: [reader] } },
      pipelines: { metrics },
    },
  };
}

/** Runs an agent in this process until it is ready. */
async function runShortly(config: object): Promise<void> {
  const parts: string[] = [];
  const log = new ProcessLog(
    new LineOutput((bytes) => {
      parts.push(bytes.toString());
      return bytes.length;
    }, new FakeClock()),
  );
  const stop = new AbortController();
  let code: number | undefined;
  const ended = run({
    args: ["--config", `yaml:${JSON.stringify(config)}`],
    env: {},
    stdout: log,
    stderr: log,
    usage: process,
    stop: stop.signal,
    onHangup: () => {},
  }).then((result) => {
    code = result;
  });
  await poll("the agent to be ready", () => {
    if (code !== undefined) throw new Error(`the agent ended with ${code}: ${parts.join("")}`);
    return parts.join("").includes("Everything is ready") || undefined;
  });
  stop.abort("test");
  await ended;
}

function sandboxFamilies(): OwnMetric[] {
  const now = { unixMs: 0, monotonicMs: 0 };
  const { families } = new OwnFamilies(new Interner()).shape(
    { state: "up", code: "slow", since: now, nextScrape: now },
    { lastAnswerMs: 0, isListed: true, boot: { socketMs: 0, answerMs: 0 }, limits: new Set(["samples"]) },
  );
  return documented(families, "receivers/kata");
}

function monitorFamilies(): OwnMetric[] {
  const { schema } = new MonitorFamilies(new Interner(), 0).reading(0, 0);
  return documented(schema.families, "extensions/kata_monitor_api");
}

function documented(families: readonly Family[], folder: string): OwnMetric[] {
  return families.map(({ name, kind, unit, help, points }) => {
    const keys = points[0]?.attributes.map(({ key }) => key).join(",") ?? "";
    const labels = keys === "" ? "" : `{${keys}}`;
    return { name: `${name}${labels}`, kind: kind === "sum" ? "counter" : kind, unit, meaning: help, folder };
  });
}
