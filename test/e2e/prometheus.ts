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

export interface Prometheus {
  query(expression: string): Promise<readonly Sample[]>;
  /** Health and last error of the only target. */
  target(): Promise<{ readonly health: string; readonly lastError: string }>;
  close(): Promise<void>;
}

/** Evaluated every second. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

/** Starts a real Prometheus server that scrapes one target every second. */
export async function startPrometheus(
  target: string,
  rules: readonly RecordingRule[] = [],
): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), "prometheus-"));
  const port = await freePort();
  const config = {
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: [join(folder, "rules.yml")],
    scrape_configs: [{ job_name: "kata", static_configs: [{ targets: [target] }] }],
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
    ],
    { stdio: "ignore" },
  );
  const exited = once(server, "exit");
  const api = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const { data } = (await response.json()) as { data: unknown };
    return data;
  };
  const close = async (): Promise<void> => {
    server.kill("SIGTERM");
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await poll("Prometheus to be ready", async () => {
      const response = await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => undefined);
      return response?.ok === true ? true : undefined;
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async query(expression) {
      const data = (await api(`query?query=${encodeURIComponent(expression)}`)) as {
        result: { metric: Record<string, string>; value: [number, string] }[];
      };
      return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    async target() {
      const data = (await api("targets")) as {
        activeTargets: { health?: string; lastError?: string }[];
      };
      const { health = "none", lastError = "" } = data.activeTargets[0] ?? {};
      return { health, lastError };
    },
    close,
  };
}
