// SPDX-License-Identifier: Apache-2.0
import type { ReceiverFactory } from "../../component/factory.ts";
import { type KataConfig, kataSchema } from "./config.ts";
import { KataReceiver } from "./receiver.ts";
import { remarksOnRoots } from "./root_config.ts";

/** Finds and scrapes the node's Kata sandboxes. */
export const factory: ReceiverFactory<KataConfig> = {
  stability: "beta",
  schema: kataSchema,
  // Only one receiver may have a root: two scrapers of one shim take guest metrics from each other.
  claims: ({ roots }) => roots.map(({ path }) => `root ${path}`),
  remarks: ({ roots }) => remarksOnRoots(roots),
  create: (config, settings, next) => new KataReceiver(config, settings, next),
};
