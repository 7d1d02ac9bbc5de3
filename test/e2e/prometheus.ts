import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./agent_process.ts";
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
  /** As `query`, of an expression that gives a range vector. */
  range(expression: string): Promise<readonly Samples[]>;
  /** Health and last error of the only target. */
  target(): Promise<{ readonly health: string; readonly lastError: string }>;
  /** When it was scraped last, as Prometheus writes it. */
  lastScrape(): Promise<string>;
  close(): Promise<void>;
}

/** Evaluated every second. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface PrometheusOptions {
  /** Whether it takes remote writes, at `/api/v1/write`. */
  readonly takesWrites?: boolean;
  /** More options of the scrape, such as `sample_limit`. */
  readonly scrape?: Readonly<Record<string, unknown>>;
}

/** Starts a real Prometheus server that scrapes one target every second. */
export async function startPrometheus(
  target: string,
  rules: readonly RecordingRule[] = [],
  { takesWrites = false, scrape = {} }: PrometheusOptions = {},
): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), "prometheus-"));
  const port = await freePort();
  const config = {
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: [join(folder, "rules.yml")],
    scrape_configs: [{ job_name: "kata", static_configs: [{ targets: [target] }], ...scrape }],
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
  const activeTarget = async () => {
    const data = (await api("targets")) as {
      activeTargets: { health?: string; lastError?: string; lastScrape?: string }[];
    };
    return data.activeTargets[0] ?? {};
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
    async target() {
      const { health = "none", lastError = "" } = await activeTarget();
      return { health, lastError };
    },
    async lastScrape() {
      return (await activeTarget()).lastScrape ?? "";
    },
    close,
  };
}
