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
import { type Recorder, type RecorderOptions, startRecorder } from "./recorder.ts";
import { type Interruption, judge, type Verdict } from "./verdict.ts";
import {
  type AgentConfig,
  spawnWatchedAgent,
  untilQueueIsEmpty,
  type WatchedAgent,
} from "./watched_agent.ts";

export const INTERVAL_MS = 100;
/** The deadline of one attempt to send. */
export const TIMEOUT_MS = 1_000;
/** The deadline of an attempt that must get an answer even on a busy machine. */
export const PATIENT_TIMEOUT = "20s";
const CAUGHT_UP_BYTES = 300_000;
/** A fifth of a real page, since here only the number of readings matters. */
const PAGE = { disks: 1, guestInterfaces: 1, shimInterfaces: 1, cpus: 1, vmstatItems: ["nr_free_pages"] };
/** The exporter whose queue is on disk. */
export const DISK = "otlp_grpc/disk";

export interface SceneOptions {
  readonly seed: number;
  readonly simulator?: Partial<SimulatorOptions>;
  /** The folder of the queue; one in the scene's folder if left out. */
  readonly storage?: string;
}

type Environment = Readonly<Record<string, string>>;

/** The parts of a scene. */
type Stage = Pick<Scene, "random" | "storage" | "recorder"> & { readonly node: NodeSimulator };

/** A simulated node, destinations that record every point, and agents between them, one after the other. */
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
  readonly #agents: WatchedAgent[] = [];
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

  /** Makes a configuration with the node's roots, a queue on disk, and one destination. */
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

  /** Starts a further destination, which takes requests and is closed with the scene. */
  async addRecorder(options?: RecorderOptions): Promise<Recorder> {
    const recorder = await startRecorder(this.random, options);
    this.#recorders.push(recorder);
    return recorder;
  }

  /** Starts the next process of the agent, and returns before it is ready. */
  async spawn(config: AgentConfig = this.config(), env: Environment = {}): Promise<WatchedAgent> {
    const path = join(this.dir, `config_${this.#agents.length}.yaml`);
    const agent = await spawnWatchedAgent(config, path, env);
    this.#agents.push(agent);
    return agent;
  }

  async start(config?: AgentConfig, env?: Environment): Promise<WatchedAgent> {
    const agent = await this.spawn(config, env);
    await agent.ready();
    return agent;
  }

  /** Kills the agent without warning, and records what is on disk then. */
  async kill(agent: WatchedAgent): Promise<void> {
    await this.interrupt(() => agent.stop("SIGKILL"));
  }

  /** Ends the agent in a way that may lose readings that it has not accepted yet, and remembers when. */
  async interrupt(end: () => Promise<Finished>): Promise<Finished> {
    const fromMs = Date.now();
    const finished = await end();
    this.interruptions.push({ fromMs, toMs: Date.now() });
    this.lookAtDisk();
    return finished;
  }

  /** Records the points in the queue's segments. */
  lookAtDisk(): void {
    this.#witness.look(this.queueDirectory);
  }

  get queueDirectory(): string {
    return join(this.storage, encodeURIComponent(DISK));
  }

  /**
   * Ends all sandboxes and empties the queues of these exporters; the destinations take requests from now on.
   */
  async drain(agent: WatchedAgent, exporters: readonly string[] = [DISK]): Promise<void> {
    for (const recorder of [this.recorder, ...this.#recorders]) await recorder.setMode("up");
    for (const exporter of exporters) await untilCaughtUp(agent, exporter);
    const sandboxes = [...this.simulator.sandboxes.values()];
    for (const sandbox of sandboxes) await sandbox.setFault("error500");
    // By then a scrape that was under way has ended, and its reading is in the pipeline.
    await sleep(5 * INTERVAL_MS);
    for (const { id, shim } of sandboxes) {
      const page = shim?.lastPage?.toString("latin1") ?? "";
      const [, count = "0"] = /^kata_agent_scrape_count (\S+)$/m.exec(page) ?? [];
      this.#servedCounts.set(id, Number(count));
    }
    for (const { id } of sandboxes) await this.simulator.end(id);
    for (const exporter of exporters) await untilQueueIsEmpty(agent, exporter);
  }

  /**
   * Compares what was accepted with what the destination received. After `drain`, every reading that a guest served must
   * have been received, except for those of the sandboxes in `leftOut`.
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
    // A shim whose answer came too late has counted that scrape, too.
    const lines = this.#agents.flatMap((agent) => agent.stderr().split("\n"));
    const failed = lines.filter((line) => line.includes("Sandbox is failing."));
    return { ...verdict, unexplained: [...verdict.unexplained, ...failed] };
  }

  async close(): Promise<void> {
    for (const agent of this.#agents) if (!agent.hasEnded()) await agent.stop("SIGKILL");
    for (const recorder of [this.recorder, ...this.#recorders]) await recorder.close();
    await this.#node.close();
  }
}

/** Starts the node and a destination. The caller starts the agent. */
export async function startScene({ seed, ...options }: SceneOptions): Promise<Scene> {
  const random = seededRandom(seed);
  const node = await startNodeSimulator({ sandboxes: 4, cri: false, seed, page: PAGE, ...options.simulator });
  const recorder = await startRecorder(random);
  return new Scene({ node, random, storage: options.storage ?? join(node.dir, "storage"), recorder });
}

/**
 * Makes the config of an exporter whose attempts end soon and are retried soon. Requests are so few and small that a
 * destination on the same CPUs can answer them in time; otherwise the exporter would send the same ones for ever.
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
      // A backlog is sent as fast as possible.
      backlog_rate: 0,
      batch: { flush_timeout: "50ms", max_size: "1MiB" },
      ...queue,
    },
  };
}

/** A busy machine may take minutes. */
const CATCH_UP_LIMIT_MS = 300_000;

/** Waits until the queue holds only a reading or two of each sandbox, which it always does. */
async function untilCaughtUp(agent: WatchedAgent, exporter: string): Promise<void> {
  await poll(
    `${exporter} to catch up`,
    async () => {
      const own = (await agent.counters()).exporters.get(exporter);
      return own !== undefined && own.queueSize < CAUGHT_UP_BYTES ? true : undefined;
    },
    CATCH_UP_LIMIT_MS,
  );
}
