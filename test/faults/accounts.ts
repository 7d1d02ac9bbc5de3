// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { renderTable } from "../kit/table.ts";
import type { Counters, ExporterCounters } from "./counters.ts";
import type { Ledger } from "./ledger.ts";
import type { WatchedAgent } from "./watched_agent.ts";

/**
 * The data points that an agent gave to one of its exporters, and where they are now. The points that end series are not
 * counted, since no receiver has handed them on.
 */
export interface Account {
  readonly id: string;
  readonly accepted: number;
  /** The number of sent points by the agent's own counter. */
  readonly sent: number;
  /** The number of points that the destination keeps, each counted once. */
  readonly received: number;
  /** The number of points that the destination had received before. */
  readonly again: number;
  /** The number of points that the agent counts as lost, by whatever counter. */
  readonly counted: number;
}

/** Makes the account of an exporter whose queue is empty; `kept` is the ledger of its destination. */
export function accountOf(counters: Counters, id: string, kept: Ledger): Account {
  const own = exporterIn(counters, id);
  return {
    id,
    accepted: counters.accepted,
    sent: own.sent,
    received: kept.unique - kept.uniqueEnds,
    again: kept.duplicates,
    counted: lostBy(counters, id),
  };
}

export function exporterIn({ exporters }: Counters, id: string): ExporterCounters {
  const own = exporters.get(id);
  assert.ok(own !== undefined, `"${id}" counts something`);
  return own;
}

/** Fails unless every accepted point is either received or counted as lost. */
export function assertBalanced({ id, accepted, sent, received, counted }: Account): void {
  assert.equal(accepted - received - counted, 0, `"${id}": accepted is received and counted as lost`);
  assert.equal(sent, received, `"${id}": sent is received less what came again`);
}

export function describeAccounts(accounts: readonly Account[]): string {
  const head = ["exporter", "accepted", "sent", "received", "missing", "again", "counted"];
  const rows = accounts.map(({ id, accepted, sent, received, again, counted }) =>
    [id, accepted, sent, received, accepted - received - counted, again, counted].map(String),
  );
  return renderTable(head, rows);
}

const LOOK_MS = 100;

export interface AccountWatch {
  /** Ends the watch. Rejects where at any time more points had been sent and lost than accepted. */
  stop(): Promise<void>;
}

/** Reads the counters every 100 ms, until the process or the watch ends. The queues must have been empty at its start. */
export function watchAccounts(agent: WatchedAgent): AccountWatch {
  const stop = new AbortController();
  const faults: unknown[] = [];
  const watching = lookUntil(agent, stop.signal).catch((fault: unknown) => faults.push(fault));
  return {
    async stop() {
      stop.abort();
      await watching;
      assert.deepEqual(faults, []);
    },
  };
}

async function lookUntil(agent: WatchedAgent, stop: AbortSignal): Promise<void> {
  while (!stop.aborted && !agent.hasEnded()) {
    const counters = await agent.counters();
    for (const [id, { sent }] of counters.exporters) {
      const left = counters.accepted - sent - lostBy(counters, id);
      assert.ok(left >= 0, `"${id}" has sent and lost ${-left} points more than were accepted`);
    }
    await sleep(LOOK_MS);
  }
}

function lostBy({ exporters, exchangeLost }: Counters, id: string): number {
  const { enqueueFailed = 0, failed = new Map<string, number>() } = exporters.get(id) ?? {};
  const exchanged = [...exchangeLost].filter(
    ([component]) => !component.startsWith("exporter:") || component === `exporter:${id}`,
  );
  const lost = [...failed.values(), ...exchanged.map(([, points]) => points)];
  return lost.reduce((sum, points) => sum + points, enqueueFailed);
}
