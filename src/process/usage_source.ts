// SPDX-License-Identifier: Apache-2.0
/** The part of `process` that tells of CPU time and memory. */
export interface UsageSource {
  cpuUsage(): { readonly user: number; readonly system: number };
  memoryUsage(): {
    readonly rss: number;
    readonly heapTotal: number;
    readonly heapUsed: number;
    readonly external: number;
  };
}
