import { compress } from "snappyjs";
import type { Settings } from "../../component/component.ts";
import { PushExporter, type RequestMaker, type Transport } from "../../delivery/push_exporter.ts";
import type { Ended, Reading } from "../../metrics/model.ts";
import { Conflicts, type ConflictWords } from "../../prometheus/conflicts.ts";
import { connectHttp } from "../../push_http/client.ts";
import type { RemoteWriteConfig } from "./config.ts";
import { remoteWriteProtocol } from "./protocol.ts";
import { RemoteWriteRequests } from "./requests.ts";

const CONFLICTS: ConflictWords = {
  metric: "otelcol_exporter_prometheus_remote_write_conflicts",
  description:
    "Families, series and labels that could not be written as their sources have them, once per layout; readings of resources that have another one's labels, each time.",
  message: "Metrics that collide are not written as their sources have them.",
};

/** Readings → WriteRequests → queue, batches and retries → snappy → HTTP. */
export function createRemoteWriteExporter(config: RemoteWriteConfig, settings: Settings): PushExporter {
  return new PushExporter({
    type: "prometheus_remote_write",
    settings,
    config,
    makeRequests: (emit): RequestMaker => {
      const conflicts = new Conflicts(settings, CONFLICTS);
      const requests = new RemoteWriteRequests({
        namespace: config.namespace,
        labels: config.labels,
        requestBytesMax: config.sending_queue.batch.max_size,
        onConflict: (conflict) => conflicts.add(conflict),
        emit,
      });
      return {
        consume(reading: Reading): void {
          requests.consume(reading);
          conflicts.report();
        },
        end: (ended: Ended) => requests.end(ended),
      };
    },
    connect: () => connect(config, settings),
  });
}

async function connect(config: RemoteWriteConfig, settings: Settings): Promise<Transport> {
  const client = await connectHttp({ url: config.url, config, protocol: remoteWriteProtocol, settings });
  return {
    send({ parts }, signal) {
      const request = Buffer.concat(parts);
      // Of a Buffer the library makes a Buffer, which holds on to all of the memory that might have been needed.
      const body = compress(new Uint8Array(request.buffer, request.byteOffset, request.length));
      return client.post(body, signal);
    },
    refresh: () => client.refresh(),
    close: () => client.close(),
  };
}
