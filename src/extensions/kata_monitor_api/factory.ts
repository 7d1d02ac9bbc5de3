// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { ExtensionFactory } from "../../component/factory.ts";
import {
  listening,
  serverLimits,
  servingOptions,
  toServerLimits,
  toServing,
} from "../../http_server/config.ts";
import { listenAddress } from "../../options/values.ts";
import { KataMonitorApi, type KataMonitorApiConfig } from "./extension.ts";

const schema: z.ZodType<KataMonitorApiConfig> = z
  .strictObject({
    endpoint: listenAddress()
      .prefault("127.0.0.1:8090")
      .describe("The address to listen at; an exporter with the same endpoint shares the listener"),
    ...servingOptions,
    limits: z
      .strictObject(serverLimits)
      .transform(toServerLimits)
      .optional()
      .describe("If left out, the limits of an exporter with the same endpoint apply, or the defaults"),
    exporter: z
      .string()
      .min(1)
      .optional()
      .describe("The prometheus exporter whose page is served; if left out, any"),
    raw_pages: z
      .boolean()
      .default(false)
      .describe("Whether /metrics?sandbox=ID&raw shows what a shim sent, without any check"),
  })
  .transform((config) => ({
    address: config.endpoint,
    serving: toServing(config, config.limits),
    exporter: config.exporter,
    rawPages: config.raw_pages,
  }));

/** Serves kata-monitor's endpoints, and adds its families about itself to an exporter's page. */
export const factory: ExtensionFactory<KataMonitorApiConfig> = {
  stability: "beta",
  schema,
  ...listening,
  create: (config, settings) => new KataMonitorApi(config, settings),
};
