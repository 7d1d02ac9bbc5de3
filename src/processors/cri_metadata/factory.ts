// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { ProcessorFactory } from "../../component/factory.ts";
import { criEndpoint } from "../../cri/endpoint.ts";
import { duration } from "../../options/values.ts";
import { extractSchema } from "./extract.ts";
import { handlersSchema } from "./handlers.ts";
import { type CriMetadataConfig, CriMetadataProcessor } from "./processor.ts";

const options = z.strictObject({
  endpoint: criEndpoint()
    .prefault("auto")
    .describe('The container runtime: "auto", the path of its socket, or "tcp://host:port"'),
  // A healthy runtime answers within milliseconds.
  timeout: duration({ minMs: 10, maxMs: 60_000 })
    .prefault("2s")
    .describe("How long one call to the container runtime may take; each time-out doubles it, up to 30s"),
  wait: duration({ maxMs: 60_000 })
    .prefault("5s")
    .describe("How long the first readings of a sandbox are held until its pod is known; 0s holds none"),
  kata_handlers: handlersSchema
    .default(["kata*"])
    .describe(
      "Runtime handlers whose ready pods must have a sandbox, with * and ?; an empty one is for the runtime's default",
    ),
  extract: extractSchema.prefault({}).describe("What else of the pod becomes resource attributes"),
});

const schema: z.ZodType<CriMetadataConfig> = options.transform((config) => ({
  endpoints: config.endpoint,
  timeoutMs: config.timeout,
  waitMs: config.wait,
  kataHandlers: config.kata_handlers,
  extract: config.extract,
}));

/** Adds the pod's identity, as the container runtime knows it, to the sandboxes' resources. */
export const factory: ProcessorFactory<CriMetadataConfig> = {
  stability: "beta",
  schema,
  create: (config, settings, next) => new CriMetadataProcessor(config, settings, next),
};
