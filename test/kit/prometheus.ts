// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free_port.ts";
import { poll } from "./poll.ts";

/** One element of an instant vector. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One series of a range vector, with its samples as text: Unix seconds and numbers as Prometheus writes them. */
export interface Samples {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [seconds: number, value: string])[];
}

export interface Prometheus {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  query(expression: string): Promise<readonly Sample[]>;
  /** Like `query`, for an expression that gives a range vector. */
  range(expression: string): Promise<readonly Samples[]>;
  /** Returns the health and the last error of a job's target. */
  target(job?: string): Promise<{ readonly health: string; readonly lastError: string }>;
  /** Returns the time of the last scrape of the target, as Prometheus writes it. */
  lastScrape(): Promise<string>;
  close(): Promise<void>;
}

/** A rule, which Prometheus evaluates every second. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface PrometheusOptions {
  /** Whether it accepts remote writes, at `/api/v1/write`. */
  readonly takesWrites?: boolean;
  /** Limits of a page, by their names in a scrape config: `label_limit`, `body_size_limit` … */
  readonly limits?: Readonly<Record<string, number | string>>;
  /** Scrape configs in addition to the target's, each with its own job_name. */
  readonly scrapes?: readonly object[];
}

/** Starts a real Prometheus server that scrapes one target every second. */
export async function startPrometheus(
  target: string,
  rules: readonly RecordingRule[] = [],
  { takesWrites = false, limits = {}, scrapes = [] }: PrometheusOptions = {},
): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), "prometheus-"));
  const port = await freePort();
  const config = {
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: [join(folder, "rules.yml")],
    scrape_configs: [{ job_name: "kata", ...limits, static_configs: [{ targets: [target] }] }, ...scrapes],
  };
  // JSON is YAML.
  await writeFile(join(folder, "rules.yml"), JSON.stringify({ groups: [{ name: "kata", rules }] }));
  await writeFile(join(folder, "prometheus.yml"), JSON.stringify(config));
  const server = spawn(
    "prometheus",
    [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=error",
      ...(takesWrites ? ["--web.enable-remote-write-receiver"] : []),
    ],
    { stdio: "ignore" },
  );
  const exited = once(server, "exit");
  const url = `http://127.0.0.1:${port}`;
  const api = async (path: string): Promise<unknown> => {
    const response = await fetch(`${url}/api/v1/${path}`);
    const { data } = (await response.json()) as { data: unknown };
    return data;
  };
  const query = async <T>(expression: string): Promise<T> => {
    const data = (await api(`query?query=${encodeURIComponent(expression)}`)) as { result: T };
    return data.result;
  };
  const activeTarget = async (job: string) => {
    const { activeTargets } = (await api("targets")) as {
      activeTargets: { health?: string; lastError?: string; lastScrape?: string; scrapePool?: string }[];
    };
    return activeTargets.find((one) => one.scrapePool === job) ?? {};
  };
  const close = async (): Promise<void> => {
    server.kill("SIGTERM");
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await poll("Prometheus to be ready", async () => {
      const response = await fetch(`${url}/-/ready`).catch(() => undefined);
      return response?.ok === true ? true : undefined;
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    async query(expression) {
      const result = await query<{ metric: Record<string, string>; value: [number, string] }[]>(expression);
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    range: (expression) => query<readonly Samples[]>(expression),
    async target(job = "kata") {
      const { health = "none", lastError = "" } = await activeTarget(job);
      return { health, lastError };
    },
    async lastScrape() {
      return (await activeTarget("kata")).lastScrape ?? "";
    },
    close,
  };
}
