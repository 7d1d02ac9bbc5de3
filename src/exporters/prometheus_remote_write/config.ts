// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { orderedQueueSchema, type QueueConfig } from "../../delivery/config.ts";
import { type RetryConfig, retrySchema } from "../../delivery/retry_config.ts";
import { type HttpClientConfig, toHttpClientConfig } from "../../http_client/config.ts";
import type { PushUrl } from "../../http_client/url.ts";
import { unsupported } from "../../options/values.ts";
import {
  constantLabels,
  fixedNameOptions,
  labelOptions,
  labelsTwice,
  toIdentityLabels,
} from "../../prometheus/series/label_options.ts";
import type { IdentityLabels } from "../../prometheus/series/resource_labels.ts";
import { httpOptions, mergeHttpOptions } from "./http_options.ts";
import { MESSAGE_V1, MESSAGE_V2 } from "./protocol.ts";
import type { MessageVersion } from "./record.ts";

/** The checked config of one exporter. Durations are in milliseconds, sizes in bytes. */
export interface RemoteWriteConfig extends HttpClientConfig {
  /** The URL of the receiver, with its path. */
  readonly url: PushUrl;
  readonly namespace: string;
  readonly labels: IdentityLabels;
  readonly version: MessageVersion;
  /** Whether requests with only the kind and help of families are sent. False for 2.0, where each series has them. */
  readonly sendsMetadata: boolean;
  readonly targetInfo: boolean;
  readonly stalenessMarkers: boolean;
  /** The size of the largest request before it is compressed. */
  readonly requestBytesMax: number;
  readonly timeoutMs: number;
  /** The path of the option `auth` in the config, for faults. */
  readonly authPath: readonly string[];
  /** The path of the option `endpoint` in the config, for faults. */
  readonly endpointPath: readonly string[];
  readonly retryOnFailure: RetryConfig;
  /** The options of the queue. There is one sender, and a batch has about `requestBytesMax` before compression. */
  readonly sendingQueue: QueueConfig;
}

/** The path at which Prometheus takes remote writes. It is used with a unix socket, whose URL cannot have a path. */
const WRITE_PATH = "/api/v1/write";
/** The least value of `max_batch_size_bytes`. It is far above the size of a single series. */
const REQUEST_BYTES_MIN = 64 * 1024;
/**
 * The size of the largest request is divided by this factor for the largest batch, which counts compressed bytes.
 * Requests of readings become 9 to 12 times smaller, so that a batch is usually sent as one request.
 */
const COMPRESSION = 12;

const IN_ORDER = "the samples of a series must arrive in their order";
const queueSchema = orderedQueueSchema(IN_ORDER);

/** The options of the queue as an older version of the Collector's exporter has them. `queue_size` counts readings. */
const remoteWriteQueue = z.strictObject({
  enabled: z.boolean().optional().describe("As sending_queue::enabled"),
  queue_size: z.int().min(1).optional().describe("As sending_queue::queue_size with the sizer requests"),
  num_consumers: z.int().min(1).optional().describe(`Taken, but one sends: ${IN_ORDER}`),
});

const off = (why: string) =>
  z.strictObject({ enabled: z.literal(false, `only false works: ${why}`) }).optional();

/**
 * Options of the Collector's exporter that accept a single value here. A config of the Collector with this value stays
 * valid.
 */
const fixed = {
  ...fixedNameOptions,
  convert_explicit_histograms_to_nhcb: z
    .literal(false, "only false works: histograms stay as their source has them")
    .optional(),
  disable_scope_info: z.boolean().optional().describe("Says nothing: readings have no scope"),
  export_created_metric: off("when series began is said in requests of 2.0 only"),
  scope_info: off("readings have no scope"),
};

const options = z.strictObject({
  ...httpOptions,
  external_labels: constantLabels(),
  ...labelOptions,
  protobuf_message: z
    .enum([MESSAGE_V1, MESSAGE_V2])
    .default(MESSAGE_V1)
    .describe("Of remote write 1.0 or 2.0"),
  send_metadata: z
    .boolean()
    .default(false)
    .describe("Send what kind and help metrics have, once a minute; 2.0 says it with every sample"),
  target_info: z
    .strictObject({ enabled: z.boolean().default(true) })
    .prefault({})
    .describe("Send target_info of each resource, with the attributes that are no label of its series"),
  staleness_markers: z.boolean().default(true).describe("Send when series have ended"),
  max_batch_size_bytes: z
    .int()
    .min(REQUEST_BYTES_MIN)
    .default(3_000_000)
    .describe("Of the largest request, before it is compressed"),
  retry_on_failure: retrySchema.prefault({}),
  sending_queue: queueSchema.prefault({}),
  remote_write_queue: remoteWriteQueue.optional().describe("The Collector's name of what sending_queue says"),
  ...fixed,
  compression: z.literal("snappy", "only snappy works: the protocol knows no other").optional(),
  include_metadata_keys: unsupported("readings carry no client metadata"),
  max_batch_request_parallelism: z.literal(1, `must be 1: ${IN_ORDER}`).optional(),
  wal: unsupported("give sending_queue::storage a file_storage"),
});

type Options = z.output<typeof options>;
type Fault = (path: readonly string[], message: string) => void;

/** Checks the config of one exporter, and merges the options that can be written in several places. */
export const remoteWriteSchema: z.ZodType<RemoteWriteConfig> = options.transform((input, context) => {
  const fault: Fault = (path, message) =>
    context.addIssue({ code: "custom", message, path: [...path], input: undefined });
  for (const name of labelsTwice(input.external_labels, input))
    fault(["external_labels", name], "is in resource_labels already");
  const http = mergeHttpOptions(input.http ?? {}, input, fault);
  if (http === undefined) return z.NEVER;
  const { endpoint, timeout } = http;
  const { external_labels, max_batch_size_bytes, namespace, retry_on_failure } = input;
  const version = input.protobuf_message === MESSAGE_V1 ? 1 : 2;
  return {
    ...toHttpClientConfig(http),
    namespace,
    timeoutMs: timeout,
    retryOnFailure: retry_on_failure,
    authPath: input.http?.auth === undefined ? ["auth"] : ["http", "auth"],
    endpointPath: input.http?.endpoint === undefined ? ["endpoint"] : ["http", "endpoint"],
    url: endpoint.socketPath === undefined ? endpoint : { ...endpoint, path: WRITE_PATH },
    labels: toIdentityLabels(external_labels, input),
    version,
    sendsMetadata: input.send_metadata && version === 1,
    targetInfo: input.target_info.enabled,
    stalenessMarkers: input.staleness_markers,
    requestBytesMax: max_batch_size_bytes,
    sendingQueue: batched(queueOf(input, fault), { version, requestBytesMax: max_batch_size_bytes }),
  };
});

function queueOf({ sending_queue, remote_write_queue }: Options, fault: Fault): QueueConfig {
  if (remote_write_queue === undefined) return sending_queue;
  if (!isDeepStrictEqual(sending_queue, queueSchema.parse({})))
    fault(["remote_write_queue"], "says what sending_queue says too; leave it out");
  const { enabled, queue_size } = remote_write_queue;
  return queueSchema.parse({
    ...(enabled === undefined ? {} : { enabled }),
    ...(queue_size === undefined ? {} : { queue_size, sizer: "requests" }),
  });
}

function batched(
  queue: QueueConfig,
  { version, requestBytesMax }: Pick<RemoteWriteConfig, "version" | "requestBytesMax">,
): QueueConfig {
  const { batch } = queue;
  // Requests of 2.0 cannot be joined, so each is a batch of its own.
  if (version === 2) return { ...queue, batch: { ...batch, maxItems: 1, min: { items: 1 } } };
  const maxBytes = Math.min(batch.maxBytes, Math.ceil(requestBytesMax / COMPRESSION));
  const { bytes } = batch.min;
  const min = bytes === undefined ? batch.min : { ...batch.min, bytes: Math.min(bytes, maxBytes) };
  return { ...queue, batch: { ...batch, maxBytes, min } };
}
