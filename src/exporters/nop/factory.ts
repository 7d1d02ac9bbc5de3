// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import type { ExporterFactory } from "../../component/factory.ts";

/** Takes all readings and drops them, to run a pipeline without a destination. */
export const factory: ExporterFactory<Record<string, never>> = {
  stability: "stable",
  schema: z.strictObject({}),
  create: () => ({
    start: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
    noRoom: () => undefined,
    consume: () => {},
    end: () => {},
  }),
};
