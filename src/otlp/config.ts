// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";

/** The schema of the option `staleness_markers`, which all exporters of OTLP have. */
export function stalenessMarkers(): z.ZodType<boolean, boolean | undefined> {
  return z
    .boolean()
    .default(true)
    .describe(
      'Whether a series that ends gets a last point with the flag "no recorded value"; some backends draw it as a zero',
    );
}
