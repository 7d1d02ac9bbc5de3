import { z } from "zod";
import { unsupported } from "../../config/values.ts";
import { orderedQueueSchema, type QueueConfig } from "../../delivery/config.ts";
import { attemptTimeout, type RetryConfig, retrySchema } from "../../delivery/retry_config.ts";
import {
  constantLabels,
  fixedNameOptions,
  labelOptions,
  labelsTwice,
  toIdentityLabels,
} from "../../prometheus/label_options.ts";
import type { IdentityLabels } from "../../prometheus/write_identity.ts";
import { type HttpClientConfig, httpClientOptions, refusedHttpOptions } from "../../push_http/config.ts";
import { type PushUrl, pushUrl } from "../../push_http/url.ts";

/** Durations are in milliseconds, sizes in bytes. */
export interface RemoteWriteConfig extends HttpClientConfig {
  /** Where requests go, with its path. */
  readonly url: PushUrl;
  readonly namespace: string;
  readonly labels: IdentityLabels;
  readonly timeout: number;
  readonly retry_on_failure: RetryConfig;
  /** One sender, and requests no larger than `max_batch_size_bytes`. */
  readonly sending_queue: QueueConfig;
}

/** Where Prometheus takes remote writes; the URL of a socket has no room for it. */
const WRITE_PATH = "/api/v1/write";
/** Room for what stands around the labels of one series. */
const BATCH_BYTES_MIN = 64 * 1024;
const IN_ORDER = "the samples of a series must arrive in their order";

const off = (why: string) =>
  z.strictObject({ enabled: z.literal(false, `only false works: ${why}`) }).optional();

/** Options of the Collector's exporter that say what this one always does: a config that sets them so stays valid. */
const fixed = {
  ...fixedNameOptions,
  export_created_metric: off("sources do not tell when their series began"),
  protobuf_message: z
    .literal("prometheus.WriteRequest", 'only "prometheus.WriteRequest" works, which is remote write 1.0')
    .optional(),
  scope_info: off("readings have no scope"),
  send_metadata: z.literal(false, "only false works: metadata is not sent").optional(),
  target_info: off("all that is known of a resource can be a label").describe("Always off"),
};

const options = z.strictObject({
  endpoint: pushUrl().describe('Where to write, as a URL with its path; or "unix:///path" of a socket'),
  external_labels: constantLabels(),
  ...labelOptions,
  max_batch_size_bytes: z
    .int()
    .min(BATCH_BYTES_MIN)
    .default(3_000_000)
    .describe(
      "Of the largest request, before it is compressed; sending_queue::batch::max_size bounds it too",
    ),
  timeout: attemptTimeout().prefault("5s"),
  ...httpClientOptions,
  ...refusedHttpOptions,
  retry_on_failure: retrySchema.prefault({}),
  sending_queue: orderedQueueSchema(IN_ORDER).prefault({}),
  ...fixed,
  compression: z.literal("snappy", "only snappy works: the protocol knows no other").optional(),
  max_batch_request_parallelism: unsupported(IN_ORDER),
  remote_write_queue: unsupported("say it in sending_queue"),
  wal: unsupported("give sending_queue::storage a file_storage"),
});

export const remoteWriteSchema: z.ZodType<RemoteWriteConfig> = options
  .superRefine((config, context) => {
    for (const name of labelsTwice(config.external_labels, config)) {
      const message = "is in resource_labels already";
      const path = ["external_labels", name];
      context.addIssue({ code: "custom", message, path, input: config.external_labels[name] });
    }
  })
  .transform(({ endpoint, external_labels, max_batch_size_bytes, sending_queue, ...rest }) => ({
    ...rest,
    url: endpoint.socketPath === undefined ? endpoint : { ...endpoint, path: WRITE_PATH },
    labels: toIdentityLabels(external_labels, rest),
    sending_queue: limited(sending_queue, max_batch_size_bytes),
  }));

function limited(queue: QueueConfig, bytesMax: number): QueueConfig {
  const { batch } = queue;
  const { bytes } = batch.min;
  return {
    ...queue,
    batch: {
      ...batch,
      max_size: Math.min(batch.max_size, bytesMax),
      min: { ...batch.min, ...(bytes === undefined ? {} : { bytes: Math.min(bytes, bytesMax) }) },
    },
  };
}
