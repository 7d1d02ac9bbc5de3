// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../src/simulator/random.ts";
import type { Simulator, SimulatorOptions } from "../../src/simulator/simulator.ts";
import type { Finished } from "../kit/node/cli_process.ts";
import { type NodeSimulator, rootsOf, startNodeSimulator } from "../kit/node/simulator.ts";
import { poll } from "../kit/poll.ts";
import { DiskWitness } from "./disk_truth.ts";
import { Ledger } from "./ledger.ts";
import { type AgentConfig, type Life, spawnLife, untilQueueIsEmpty } from "./life.ts";
import { type Recorder, type RecorderOptions, startRecorder } from "./recorder.ts";
import { type Interruption, judge, type Verdict } from "./verdict.ts";

export const INTERVAL_MS = 100;
/** Of one attempt to send. */
export const TIMEOUT_MS = 1_000;
/** Of one where an answer must come, on the busiest of machines. */
export const PATIENT_TIMEOUT = "20s";
const CAUGHT_UP_BYTES = 300_000;
/** A fifth of a real page: what matters here is how many readings there are. */
const PAGE = { disks: 1, guestInterfaces: 1, hostInterfaces: 1, cpus: 1, vmstatItems: ["nr_free_pages"] };
/** The exporter whose queue is on disk. */
export const DISK = "otlp_grpc/disk";

export interface SceneOptions {
  readonly seed: number;
  readonly simulator?: Partial<SimulatorOptions>;
  /** Where the queue is kept; a folder of the scene's own if left out. */
  readonly storage?: string;
}

type Environment = Readonly<Record<string, string>>;

/** What a scene is made of. */
type Stage = Pick<Scene, "random" | "storage" | "recorder"> & { readonly node: NodeSimulator };

/** A simulated node, a destination that keeps account, and the lives of an agent between them. */
export class Scene {
  readonly dir: string;
  readonly random: () => number;
  readonly simulator: Simulator;
  readonly recorder: Recorder;
  readonly storage: string;
  readonly onDisk: Ledger = new Ledger();
  readonly interruptions: Interruption[] = [];
  readonly #witness: DiskWitness = new DiskWitness(this.onDisk);
  readonly #servedCounts = new Map<string, number>();
  readonly #lives: Life[] = [];
  readonly #recorders: Recorder[] = [];
  readonly #node: NodeSimulator;

  constructor({ node, random, storage, recorder }: Stage) {
    this.#node = node;
    this.dir = node.dir;
    this.random = random;
    this.storage = storage;
    this.simulator = node.simulator;
    this.recorder = recorder;
  }

  /** The node's roots, a disk queue, and one destination. */
  config(): AgentConfig {
    return {
      extensions: { file_storage: { directory: this.storage, create_directory: true } },
      receivers: { kata: this.receiver() },
      exporters: { [DISK]: exporterTo(this.recorder.address, { storage: "file_storage" }) },
      service: {
        extensions: ["file_storage"],
        pipelines: { metrics: { receivers: ["kata"], exporters: [DISK] } },
      },
    };
  }

  receiver(): Readonly<Record<string, unknown>> {
    return {
      roots: rootsOf(this.simulator),
      collection_interval: `${INTERVAL_MS}ms`,
      reconcile_interval: "1s",
    };
  }

  /** Starts a further destination, which is up, and ends with the scene. */
  async addRecorder(options?: RecorderOptions): Promise<Recorder> {
    const recorder = await startRecorder(this.random, options);
    this.#recorders.push(recorder);
    return recorder;
  }

  /** Starts the next life of the agent, and waits for nothing. */
  async spawn(config: AgentConfig = this.config(), env: Environment = {}): Promise<Life> {
    const path = join(this.dir, `config_${this.#lives.length}.yaml`);
    const life = await spawnLife(config, path, env);
    this.#lives.push(life);
    return life;
  }

  async start(config?: AgentConfig, env?: Environment): Promise<Life> {
    const life = await this.spawn(config, env);
    await life.ready();
    return life;
  }

  /** Ends the life as if pulled out of the wall, and looks at what is on disk then. */
  async kill(life: Life): Promise<void> {
    await this.interrupt(() => life.stop("SIGKILL"));
  }

  /** Ends a life in a way that may cost what it has not accepted. */
  async interrupt(end: () => Promise<Finished>): Promise<Finished> {
    const fromMs = Date.now();
    const finished = await end();
    this.interruptions.push({ fromMs, toMs: Date.now() });
    this.lookAtDisk();
    return finished;
  }

  /** Remembers what is in the queue's segments. */
  lookAtDisk(): void {
    this.#witness.look(this.queueDirectory);
  }

  get queueDirectory(): string {
    return join(this.storage, encodeURIComponent(DISK));
  }

  /**
   * Lets the agent come to the end of what there is: nothing new is scraped, sandboxes end, and the destinations, which
   * are up from now on, get all of it.
   */
  async drain(life: Life, exporters: readonly string[] = [DISK]): Promise<void> {
    for (const recorder of [this.recorder, ...this.#recorders]) await recorder.setMode("up");
    for (const exporter of exporters) await untilCaughtUp(life, exporter);
    const sandboxes = [...this.simulator.sandboxes.values()];
    for (const sandbox of sandboxes) await sandbox.setFault("error500");
    // A scrape that is under way comes to its end, and its reading into the pipeline.
    await sleep(5 * INTERVAL_MS);
    for (const { id, shim } of sandboxes) {
      const page = shim?.lastPage?.toString("latin1") ?? "";
      const [, count = "0"] = /^kata_agent_scrape_count (\S+)$/m.exec(page) ?? [];
      this.#servedCounts.set(id, Number(count));
    }
    for (const { id } of sandboxes) await this.simulator.end(id);
    for (const exporter of exporters) await untilQueueIsEmpty(life, exporter);
  }

  /**
   * What came of it. After `drain`, every reading that was served must have come, to the last, but for those of
   * sandboxes that are left out.
   */
  judge(recorder: Recorder = this.recorder, leftOut: readonly string[] = []): Verdict {
    const { onDisk, interruptions } = this;
    const verdict = judge({
      received: recorder.kept,
      onDisk,
      interruptions,
      servedCounts: this.#servedCounts,
      leftOut,
    });
    if (verdict.unexplained.length === 0) return verdict;
    // A shim whose answer came too late has counted all the same.
    const lines = this.#lives.flatMap((life) => life.stderr().split("\n"));
    const failed = lines.filter((line) => line.includes("Sandbox is failing."));
    return { ...verdict, unexplained: [...verdict.unexplained, ...failed] };
  }

  async close(): Promise<void> {
    for (const life of this.#lives) if (!life.hasEnded()) await life.stop("SIGKILL");
    for (const recorder of [this.recorder, ...this.#recorders]) await recorder.close();
    await this.#node.close();
  }
}

/** Makes the node and the destination; the agent is started by whoever has the scene. */
export async function setScene({ seed, ...options }: SceneOptions): Promise<Scene> {
  const random = seededRandom(seed);
  const node = await startNodeSimulator({ sandboxes: 4, cri: false, seed, page: PAGE, ...options.simulator });
  const recorder = await startRecorder(random);
  return new Scene({ node, random, storage: options.storage ?? join(node.dir, "storage"), recorder });
}

/**
 * An exporter that fails fast and tries again soon. Requests are few and small enough for a destination that shares its
 * CPUs with all the rest to answer them in time: one that cannot is sent the same ones for ever.
 */
export function exporterTo(
  endpoint: string,
  queue: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return {
    endpoint,
    tls: { insecure: true },
    timeout: `${TIMEOUT_MS}ms`,
    retry_on_failure: { initial_interval: "50ms", max_interval: "300ms", max_elapsed_time: "0s" },
    sending_queue: {
      queue_size: "1GiB",
      num_consumers: 3,
      // What waits here leaves as fast as it can.
      backlog_rate: 0,
      batch: { flush_timeout: "50ms", max_size: "1MiB" },
      ...queue,
    },
  };
}

/** Waits until the queue holds no more than what is always on its way: a reading or two of each sandbox. */
async function untilCaughtUp(life: Life, exporter: string): Promise<void> {
  await poll(
    `${exporter} to catch up`,
    async () => {
      const own = (await life.counters()).exporters.get(exporter);
      return own !== undefined && own.queueSize < CAUGHT_UP_BYTES ? true : undefined;
    },
    60_000,
  );
}
