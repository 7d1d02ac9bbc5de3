// SPDX-License-Identifier: Apache-2.0
// Hot path: npm run bench -- write. Indices are in range by construction, which `as number` tells the compiler.

import { type CountingPoint, isSoundPoint } from "../../metrics/sound.ts";

/**
 * Whether OpenMetrics 1.0 allows the point. In addition to the rules of `isSoundPoint`, it demands that sums and
 * quantiles are not negative, that a sum is not NaN, that quantiles are of 0 to 1, and that no bucket has a negative
 * bound. The text format does not demand any of these.
 */
export function isOpenMetricsPoint(values: Float64Array, counting: CountingPoint): boolean {
  if (!isSoundPoint(values, counting)) return false;
  const { kind, column, boundCount, point } = counting;
  if (kind === "histogram") {
    const sum = values[column + boundCount + 1] as number;
    return sum >= 0 && (boundCount === 0 || (point.bounds[0] as number) >= 0);
  }
  return kind !== "summary" || isOpenMetricsSummary(values, counting);
}

function isOpenMetricsSummary(values: Float64Array, { column, boundCount, point }: CountingPoint): boolean {
  for (let i = 0; i < boundCount; i++) {
    const quantile = point.bounds[i] as number;
    // NaN is allowed: it is the quantile of no observations.
    if (quantile < 0 || quantile > 1 || (values[column + i] as number) < 0) return false;
  }
  return (values[column + boundCount] as number) >= 0;
}
