// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../component/component.ts";
import { createOtlpEncoder } from "../otlp/encode.ts";
import { OtlpRequests } from "../otlp/requests.ts";
import type { DeliveryConfig } from "./config.ts";
import { PushExporter, type PushExporterOptions } from "./push_exporter.ts";

/** The type, the config and the transport of an exporter of OTLP. */
export interface OtlpExporterOptions extends Pick<PushExporterOptions, "type" | "connect"> {
  readonly settings: Settings;
  readonly config: DeliveryConfig & { readonly stalenessMarkers: boolean };
}

/** Makes an exporter that sends OTLP requests over the transport that `connect` opens. */
export function createOtlpExporter({ config, settings, ...transport }: OtlpExporterOptions): PushExporter {
  const { command: name, version } = settings.build;
  return new PushExporter({
    ...transport,
    settings,
    config,
    makeRequests: (emit, onUnsound) =>
      new OtlpRequests({
        encoder: createOtlpEncoder({ name, version }),
        requestBytesMax: config.sendingQueue.batch.maxBytes,
        marksEnds: config.stalenessMarkers,
        emit,
        onUnsound,
      }),
  });
}
