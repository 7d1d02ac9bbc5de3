// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { Recorder } from "./recorder.ts";
import { exporterTo, type Scene } from "./scene.ts";

type Exporters = Readonly<Record<string, unknown>>;

/** The configs of every exporter that pushes, with queues in memory, and their destinations. */
export interface Pushing {
  readonly exporters: Exporters;
  readonly recorders: readonly Recorder[];
}

/** The file is rotated, so that it does not fill the disk. */
const FILE = { flush_interval: "200ms", rotation: { max_megabytes: 20, max_backups: 1 } };

/** Starts a destination for each exporter, which counts the bytes and does not decode them. */
export async function startPushing(scene: Scene): Promise<Pushing> {
  const grpc = await scene.addRecorder({ keeps: false });
  const http = await scene.addRecorder({ protocol: "http", keeps: false });
  const write = await scene.addRecorder({ protocol: "http", keeps: false });
  const { timeout, retry_on_failure } = exporterTo("", {});
  // The queue has room for the readings of half a minute on a busy node.
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
