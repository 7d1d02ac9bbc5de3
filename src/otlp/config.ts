// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";

/** An option of every exporter of OTLP: whether it says when series end. */
export function stalenessMarkers(): z.ZodType<boolean, boolean | undefined> {
  return z
    .boolean()
    .default(true)
    .describe(
      'Whether a series that ends gets a last point with the flag "no recorded value"; some backends draw it as a zero',
    );
}
