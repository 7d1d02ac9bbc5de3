// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { Recorder } from "./recorder.ts";
import { exporterTo, type Scene } from "./scene.ts";

type Exporters = Readonly<Record<string, unknown>>;

/** Every exporter that pushes, with a queue in memory, and where they push to. */
export interface Pushing {
  readonly exporters: Exporters;
  readonly recorders: readonly Recorder[];
}

/** A rotation keeps the file from filling the disk. */
const FILE = { flush_interval: "200ms", rotation: { max_megabytes: 20, max_backups: 1 } };

/** Starts a destination for each, which counts what comes and looks no further. */
export async function startPushing(scene: Scene): Promise<Pushing> {
  const grpc = await scene.addRecorder({ keeps: false });
  const http = await scene.addRecorder({ protocol: "http", keeps: false });
  const write = await scene.addRecorder({ protocol: "http", keeps: false });
  const { timeout, retry_on_failure } = exporterTo("", {});
  // Room for what comes in an outage of half a minute on a busy node.
  const sending_queue = { queue_size: "256MiB", backlog_rate: 0 };
  const inMemory = { timeout, retry_on_failure, sending_queue };
  return {
    recorders: [grpc, http, write],
    exporters: {
      "otlp_grpc/memory": { endpoint: grpc.address, tls: { insecure: true }, ...inMemory },
      "otlp_http/memory": { endpoint: `http://${http.address}`, ...inMemory },
      prometheus_remote_write: { endpoint: `http://${write.address}/api/v1/write`, ...inMemory },
      file: { path: join(scene.dir, "metrics.json"), ...FILE },
    },
  };
}
