// SPDX-License-Identifier: Apache-2.0
/** Who answers at an endpoint, as the CRI's Version call says it. */
export interface RuntimeVersion {
  /** Such as "containerd" or "cri-o". */
  readonly name: string;
  /** In the runtime's own spelling: "1.6.20~ds1", "v2.1.0". */
  readonly version: string;
}

/**
 * From which version on a runtime tells every listener of GetContainerEvents about every event. Before it, listeners
 * share one queue: each event that we took would be missing in the kubelet, which then learns of a pod's change minutes
 * later, from its next full look. For containerd that is its pull request 9661 (2.0); CRI-O broadcasts since 2023, and
 * the version here is one that is certain to have it.
 */
const BROADCASTS_SINCE: Readonly<Record<string, readonly [major: number, minor: number]>> = {
  containerd: [2, 0],
  "cri-o": [1, 30],
};

/** Whether listening to the runtime's events takes nothing away from its other listeners. */
export function broadcastsEvents({ name, version }: RuntimeVersion): boolean {
  const since = Object.hasOwn(BROADCASTS_SINCE, name) ? BROADCASTS_SINCE[name] : undefined;
  const match = /^v?(\d+)\.(\d+)/.exec(version);
  if (since === undefined || match === null) return false;
  const major = Number(match[1]);
  return major > since[0] || (major === since[0] && Number(match[2]) >= since[1]);
}
