// SPDX-License-Identifier: Apache-2.0
/** The name and version of a runtime, from the CRI's Version call. */
export interface RuntimeVersion {
  /** The runtime's name, such as "containerd" or "cri-o". */
  readonly name: string;
  /** The runtime's version in its own spelling, such as "1.6.20~ds1" or "v2.1.0". */
  readonly version: string;
}

/**
 * The first versions that send every event to every listener of GetContainerEvents. In earlier ones, the listeners
 * share one queue: the kubelet would not get the events that the agent takes, and would learn of a pod's change minutes
 * later, from its next full list. containerd sends every event to all listeners since pull request 9661 (2.0), CRI-O
 * since 2023, at the latest in the version here.
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
