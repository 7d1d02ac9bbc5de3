// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import { z } from "zod";
import type { Processor } from "../../component/component.ts";
import type { Consumer, NoRoom } from "../../component/consumer.ts";
import type { ExporterDefaults, ProcessorFactory } from "../../component/factory.ts";
import type { Ended, Reading } from "../../metrics/model.ts";
import { duration, formatDuration, parseDuration } from "../../options/values.ts";

/** The options of the Collector's processor that have an effect here. Sizes are numbers of data points. */
interface BatchConfig {
  readonly timeoutMs: number;
  readonly batchSize: number;
  /** The most data points of one request; 0 for no limit. */
  readonly maxBatchSize: number;
}

const UINT32_MAX = 0xffff_ffff;
const count = (byDefault: number) => z.int().min(0).max(UINT32_MAX).default(byDefault);
const WITHOUT_EFFECT = "Without effect: readings carry no client metadata";

/** The options by their names in YAML. The faults are in the Collector's words. */
const options = z
  .strictObject({
    timeout: duration()
      .prefault("200ms")
      .describe("Write sending_queue::batch::flush_timeout in the exporters"),
    send_batch_size: count(8_192).describe("Write sending_queue::batch::min_size in the exporters"),
    send_batch_max_size: count(0).describe("Write sending_queue::batch::max_size in the exporters"),
    metadata_keys: z.array(z.string()).default([]).describe(WITHOUT_EFFECT),
    metadata_cardinality_limit: count(1_000).describe(WITHOUT_EFFECT),
  })
  .superRefine((config, context) => {
    const { send_batch_max_size: max, send_batch_size: size, metadata_keys: keys } = config;
    const fail = (key: keyof typeof config, message: string): void =>
      context.addIssue({ code: "custom", path: [key], message, input: config[key] });
    if (max > 0 && max < size)
      fail("send_batch_max_size", "send_batch_max_size must be greater or equal to send_batch_size");
    const lower = keys.map((key) => key.toLowerCase());
    const twice = lower.find((key, index) => lower.indexOf(key) !== index);
    if (twice !== undefined)
      fail("metadata_keys", `duplicate entry in metadata_keys: "${twice}" (case-insensitive)`);
  });

const schema: z.ZodType<BatchConfig> = options.transform((config) => ({
  timeoutMs: config.timeout,
  batchSize: config.send_batch_size,
  maxBatchSize: config.send_batch_max_size,
}));

/** The names that the processor's options have in `sending_queue::batch` of exporters. */
const EXPORTER_OPTIONS: ReadonlyMap<string, string> = new Map([
  ["timeout", "flush_timeout"],
  ["send_batch_size", "min_size"],
  ["send_batch_max_size", "max_size"],
]);

const exporterDefaults: ExporterDefaults = {
  path: ["sending_queue", "batch"],
  translate(option, value) {
    const name = EXPORTER_OPTIONS.get(option);
    const number = option === "timeout" ? parseDuration(String(value)) : value;
    if (name === undefined || typeof number !== "number") return undefined;
    if (number !== 0) return { option: name, value };
    // Exporters have no 0 for these two options: they wait at least 1 ms, and always limit the size of a request.
    if (option === "timeout") return { option: name, value: "1ms" };
    return option === "send_batch_max_size" ? undefined : { option: name, value };
  },
};

/**
 * The Collector's older way to configure how exporters make batches. The exporters get its options when the configuration
 * is read. Readings pass the processor unchanged.
 */
export const factory: ProcessorFactory<BatchConfig> = {
  stability: "stable",
  schema,
  exporterDefaults,
  create: (config, { logger }, next) => new BatchProcessor(config, logger, next),
};

class BatchProcessor implements Processor {
  readonly #config: BatchConfig;
  readonly #logger: Logger;
  readonly #next: Consumer;

  constructor(config: BatchConfig, logger: Logger, next: Consumer) {
    this.#config = config;
    this.#logger = logger;
    this.#next = next;
  }

  start(): Promise<void> {
    this.#logger.warn(
      { instead: insteadOf(this.#config) },
      "Processor batch is deprecated; write `instead` in the exporters, which is what it stands for.",
    );
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }

  noRoom(resourceKey: string): NoRoom | undefined {
    return this.#next.noRoom(resourceKey);
  }

  consume(reading: Reading): void {
    this.#next.consume(reading);
  }

  end(ended: Ended): void {
    this.#next.end(ended);
  }
}

/** Returns the exporter's options that mean the same as this config, as they are written in YAML. */
function insteadOf({ timeoutMs, batchSize, maxBatchSize }: BatchConfig): string {
  const options = [
    // The least that an exporter accepts is 1 ms. With `min_size: 0` an exporter sends at once, whatever the time is.
    `flush_timeout: ${formatDuration(Math.max(1, timeoutMs))}`,
    `min_size: ${batchSize}`,
    ...(maxBatchSize > 0 ? [`max_size: ${maxBatchSize}`] : []),
  ];
  return `sending_queue: {batch: {${options.join(", ")}}}`;
}
