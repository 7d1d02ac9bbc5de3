// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import { PushExporter, type RequestMaker } from "../../delivery/push_exporter.ts";
import type { Ended, Reading } from "../../metrics/model.ts";
import { ConflictLog, type ConflictTexts } from "../../prometheus/series/conflict_log.ts";
import type { RemoteWriteConfig } from "./config.ts";
import { RemoteWriteRequests } from "./requests.ts";
import { connectRemoteWrite } from "./transport.ts";

const CONFLICTS: ConflictTexts = {
  metric: "otelcol_exporter_prometheus_remote_write_conflicts",
  description:
    "Families, series and labels that could not be written as their sources have them, once per layout; readings of resources that have another one's labels, each time.",
  message: "Metrics that collide are not written as their sources have them.",
};

/** Creates the exporter: readings → compressed requests → queue, batches and retries → bodies → HTTP. */
export function createRemoteWriteExporter(config: RemoteWriteConfig, settings: Settings): PushExporter {
  return new PushExporter({
    type: "prometheus_remote_write",
    settings,
    config,
    makeRequests: (emit, onUnsound): RequestMaker => {
      const conflicts = new ConflictLog(settings, CONFLICTS);
      const requests = new RemoteWriteRequests({
        ...config,
        clock: settings.clock,
        onConflict: (conflict) => conflicts.add(conflict),
        emit,
        onUnsound,
      });
      return {
        consume(reading: Reading): void {
          requests.consume(reading);
          conflicts.report();
        },
        end: (ended: Ended) => requests.end(ended),
      };
    },
    connect: () => connectRemoteWrite(config, settings),
  });
}
