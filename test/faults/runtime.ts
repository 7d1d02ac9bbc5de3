// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CliProcess } from "../kit/node/cli_process.ts";
import { startSimulatorProcess } from "../kit/node/simulator.ts";
import { poll } from "../kit/poll.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { type Scene, startScene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";
import type { AgentConfig } from "./watched_agent.ts";

const SANDBOXES = 3;
/** Further sandboxes: the runtime lists them from its start, and they are added to the node later. */
const COMING = 4;
const POD_NAME = "k8s.pod.name";
const SHORT_HUNG_MS = 400;
const LONG_HUNG_MS = 20_000;

/** A container runtime in a process of its own, which can be killed, stopped (SIGSTOP) and replaced by one with the same pods. */
class Runtime {
  readonly #dir: string;
  readonly #seed: number;
  #process: CliProcess | undefined;

  constructor(dir: string, seed: number) {
    this.#dir = dir;
    this.#seed = seed;
  }

  get endpoint(): string {
    return `unix://${join(this.#dir, "cri.sock")}`;
  }

  async start(): Promise<void> {
    mkdirSync(this.#dir, { recursive: true });
    const pods = String(SANDBOXES + COMING);
    const args = ["--sandboxes", pods, "--seed", String(this.#seed)];
    this.#process = await startSimulatorProcess(this.#dir, args);
  }

  hang(): void {
    this.#process?.kill("SIGSTOP");
  }

  goOn(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Kills the runtime as a crash does, and removes only the files that would prevent the next one from starting. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.finished;
    this.#process = undefined;
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function configOf(scene: Scene, endpoint: string): AgentConfig {
  const config = scene.config();
  return {
    ...config,
    processors: { cri_metadata: { endpoint, timeout: "500ms", wait: "200ms" } },
    service: {
      ...config.service,
      pipelines: {
        metrics: { receivers: ["kata"], processors: ["cri_metadata"], exporters: ["otlp_grpc/disk"] },
      },
    },
  };
}

/** Waits until the destination has received every sandbox with its pod's name. */
async function untilNamed({ simulator, recorder }: Scene): Promise<void> {
  await poll(
    "all sandboxes to be received with their pods' names",
    () => {
      for (const { id, pod } of simulator.sandboxes.values())
        if (recorder.kept.attributesOf(id).get(POD_NAME) !== pod.name) return undefined;
      return true;
    },
    60_000,
  );
}

/**
 * Fails unless every sandbox, and one that is added now, is scraped while the runtime does not answer. The new one has
 * either no pod's name, or the one in the runtime's last list.
 */
async function stillScraped(scene: Scene, forMs: number): Promise<string | undefined> {
  const { simulator, recorder } = scene;
  const { id: coming, pod } = await simulator.add();
  await sleep(forMs);
  const ids = [...simulator.sandboxes.keys()];
  const before = ids.map((id) => recorder.kept.countedOf(id).length);
  await poll("all sandboxes to be scraped on", () =>
    ids.every((id, index) => recorder.kept.countedOf(id).length > (before[index] ?? 0) + 1)
      ? true
      : undefined,
  );
  const name = recorder.kept.attributesOf(coming).get(POD_NAME);
  assert.ok(name === undefined || name === pod.name, `${name} in place of ${pod.name}`);
  return name;
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const scene = await startScene({ seed, simulator: { sandboxes: SANDBOXES } });
  const hungMs = long ? LONG_HUNG_MS : SHORT_HUNG_MS;
  const runtime = new Runtime(join(scene.dir, "runtime"), seed);
  try {
    const agent = await scene.start(configOf(scene, runtime.endpoint));
    assert.equal(await stillScraped(scene, 0), undefined, "its name could not be known");
    await runtime.start();
    await untilNamed(scene);
    print("not there yet, and then there: all sandboxes have names");

    runtime.hang();
    await stillScraped(scene, hungMs);
    runtime.goOn();
    await untilNamed(scene);
    print("hung, and then not: all sandboxes have names, also the new one");

    await runtime.kill();
    await stillScraped(scene, hungMs);
    await runtime.start();
    await untilNamed(scene);
    print("killed and replaced: all sandboxes have names, also the new one");

    runtime.hang();
    await stillScraped(scene, hungMs);
    await runtime.kill();
    await runtime.start();
    await untilNamed(scene);
    print("hung, killed and replaced: all sandboxes have names, also the new one");

    await scene.drain(agent);
    assert.equal((await agent.stop("SIGTERM")).code, 0);
    const verdict = scene.judge();
    print(describeVerdict(verdict));
    assertNothingLost(verdict);
    assert.equal(verdict.neverAccepted, 0);
  } finally {
    await runtime.kill();
    await scene.close();
  }
}

export const runtime: Scenario = {
  name: "runtime",
  summary: "a container runtime that is not there, hangs, dies and is replaced",
  run,
};
