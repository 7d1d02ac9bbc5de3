// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { Exporter, Settings } from "../../component/component.ts";
import type { ExporterFactory } from "../../component/factory.ts";
import { type Ended, pointCount, type Reading } from "../../metrics/model.ts";
import { messageOf } from "../../text/error_text.ts";
import { visible } from "../../text/visible.ts";
import { describeDetailed, describeNormal } from "./describe.ts";
import { type DebugOutput, openDebugOutput } from "./output.ts";

interface DebugConfig {
  readonly verbosity: "basic" | "normal" | "detailed";
  /** How many messages are written in each second before the sampling begins. */
  readonly samplingInitial: number;
  /** Every n-th message after the first `samplingInitial` of a second is written; 0 for none. */
  readonly samplingThereafter: number;
  readonly useInternalLogger: boolean;
  readonly outputPaths: readonly string[];
}

const options = z.strictObject({
  verbosity: z
    .enum(["basic", "normal", "detailed"])
    .default("basic")
    .describe("basic: one line per reading; normal: one line per data point; detailed: everything"),
  sampling_initial: z.int().min(0).default(2).describe("Messages written at once in each second"),
  sampling_thereafter: z
    .int()
    .min(0)
    .default(1)
    .describe("Past the initial ones, every n-th message is written; 0 writes none of them"),
  use_internal_logger: z
    .boolean()
    .default(true)
    .describe("Write to the agent's own log; false writes to output_paths, without level and time"),
  output_paths: z
    .array(z.string().min(1))
    .min(1)
    .default(["stdout"])
    .describe('Where to write without the internal logger: "stdout", "stderr" or files'),
});

const schema: z.ZodType<DebugConfig> = options.transform((config) => ({
  verbosity: config.verbosity,
  samplingInitial: config.sampling_initial,
  samplingThereafter: config.sampling_thereafter,
  useInternalLogger: config.use_internal_logger,
  outputPaths: config.output_paths,
}));

/** Writes readings for a person to read, as the Collector's debug exporter does. */
export const factory: ExporterFactory<DebugConfig> = {
  stability: "stable",
  schema,
  create: (config, settings) => new DebugExporter(config, settings),
};

type Write = (message: string, fields: Readonly<Record<string, unknown>>, text: string) => void;

class DebugExporter implements Exporter {
  readonly #config: DebugConfig;
  readonly #settings: Settings;
  #write: Write;
  #outputs: readonly DebugOutput[] = [];
  #secondMs = 0;
  #inSecond = 0;

  constructor(config: DebugConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    this.#write = (message, fields, text) => {
      settings.logger.info(fields, text === "" ? message : `${message}\n${text}`);
    };
  }

  start(): Promise<void> {
    if (!this.#config.useInternalLogger) this.#openOutputs();
    return Promise.resolve();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    await Promise.all(this.#outputs.map((output) => output.close(deadline)));
  }

  noRoom(): undefined {}

  consume(reading: Reading): void {
    if (!this.#isSampled()) return;
    const { schema } = reading;
    const fields = {
      resource: reading.resource.key,
      "resource metrics": 1,
      metrics: schema.families.length,
      "data points": pointCount(schema),
    };
    this.#write("Metrics", fields, this.#describe(reading));
  }

  end(ended: Ended): void {
    this.#write("Resource ended", { resource: ended.resource.key }, "");
  }

  #describe(reading: Reading): string {
    switch (this.#config.verbosity) {
      case "basic":
        return "";
      case "normal":
        return describeNormal(reading);
      case "detailed":
        return describeDetailed(reading);
    }
  }

  /** Counts a message, and returns whether it is written. */
  #isSampled(): boolean {
    const nowMs = this.#settings.clock.monotonicMs();
    if (nowMs - this.#secondMs >= 1_000) {
      this.#secondMs = nowMs;
      this.#inSecond = 0;
    }
    const { samplingInitial, samplingThereafter: every } = this.#config;
    const past = this.#inSecond++ - samplingInitial;
    return past < 0 || (every > 0 && past % every === 0);
  }

  #openOutputs(): void {
    const { logger } = this.#settings;
    this.#outputs = this.#config.outputPaths.flatMap((path) => {
      try {
        return [openDebugOutput(path, logger)];
      } catch (error) {
        const cause = messageOf(error);
        logger.error({ path, error: cause }, "Debug output cannot be opened.");
        return [];
      }
    });
    this.#write = (message, fields, text) => {
      const line = `${message}\t${visible(JSON.stringify(fields))}\n${text === "" ? "" : `${text}\n`}`;
      for (const output of this.#outputs) output.write(line);
    };
  }
}
