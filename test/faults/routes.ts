// SPDX-License-Identifier: Apache-2.0

import type { Protocol } from "../kit/destinations/destination.ts";
import { type Account, accountOf, assertBalanced } from "./accounts.ts";
import type { Recorder, RecorderOptions } from "./recorder.ts";
import { exporterTo, type Scene } from "./scene.ts";
import { assertNothingLost, describeVerdict } from "./verdict.ts";
import type { AgentConfig, WatchedAgent } from "./watched_agent.ts";

export interface RouteSpec extends RecorderOptions {
  readonly protocol: Protocol;
  readonly queue: "memory" | "disk";
  /** Distinguishes routes of the same protocol and queue. */
  readonly name?: string;
  /** Further options of the exporter, which override those of `exporterTo`. */
  readonly exporter?: Readonly<Record<string, unknown>>;
  /** Further options of its queue. */
  readonly sendingQueue?: Readonly<Record<string, unknown>>;
}

/** An exporter with its queue, and the destination to which it alone pushes. */
export interface Route {
  /** The id of the exporter. */
  readonly id: string;
  readonly spec: RouteSpec;
  readonly recorder: Recorder;
  /** The destination's address in the form of the exporter's option `endpoint`. */
  readonly endpoint: string;
}

/** Every combination of a protocol and a kind of queue. */
export const EVERY_ROUTE: readonly RouteSpec[] = (["grpc", "http"] as const).flatMap((protocol) =>
  (["memory", "disk"] as const).map((queue) => ({ protocol, queue })),
);

/** Starts a destination for each route. */
export async function startRoutes(scene: Scene, specs: readonly RouteSpec[]): Promise<readonly Route[]> {
  return await Promise.all(
    specs.map(async (spec) => {
      const recorder = await scene.addRecorder(spec);
      const scheme = spec.tls === undefined ? "http" : "https";
      const name = spec.name === undefined ? spec.queue : `${spec.queue}_${spec.name}`;
      return {
        id: `otlp_${spec.protocol}/${name}`,
        spec,
        recorder,
        endpoint: spec.protocol === "http" ? `${scheme}://${recorder.address}` : recorder.address,
      };
    }),
  );
}

/** Returns the scene's configuration with these routes instead of its exporter. */
export function configWith(scene: Scene, routes: readonly Route[]): AgentConfig {
  const config = scene.config();
  const exporters = Object.fromEntries(
    routes.map(({ id, spec, endpoint }) => {
      const storage = spec.queue === "disk" ? { storage: "file_storage" } : {};
      const queue = { ...storage, ...spec.sendingQueue };
      return [id, { ...exporterTo(endpoint, queue), ...spec.exporter }];
    }),
  );
  const pipelines = { metrics: { receivers: ["kata"], exporters: Object.keys(exporters) } };
  return { ...config, exporters, service: { ...config.service, pipelines } };
}

export async function setModes(routes: readonly Route[], mode: Recorder["mode"]): Promise<void> {
  for (const { recorder } of routes) await recorder.setMode(mode);
}

/**
 * Empties the agent's queues, and fails unless every accepted point has been received by the destination of every route or
 * is counted as lost there.
 */
export async function drainAndBalance(
  scene: Scene,
  agent: WatchedAgent,
  routes: readonly Route[],
): Promise<readonly Account[]> {
  await scene.drain(
    agent,
    routes.map(({ id }) => id),
  );
  const counters = await agent.counters();
  const accounts = routes.map(({ id, recorder }) => accountOf(counters, id, recorder.kept));
  for (const account of accounts) assertBalanced(account);
  return accounts;
}

/** Fails unless every reading that a guest served has been received by every route. Returns the report. */
export function judgeRoutes(scene: Scene, routes: readonly Route[]): string {
  return routes
    .map(({ id, recorder }) => {
      const verdict = scene.judge(recorder);
      assertNothingLost(verdict);
      return `${id}:\n${describeVerdict(verdict)}`;
    })
    .join("\n");
}
