// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../component/component.ts";
import { createOtlpEncoder } from "../otlp/encode.ts";
import { OtlpRequests } from "../otlp/requests.ts";
import type { DeliveryConfig } from "./config.ts";
import { PushExporter, type PushExporterOptions } from "./push_exporter.ts";

export interface OtlpExporterOptions extends Pick<PushExporterOptions, "type" | "connect"> {
  readonly settings: Settings;
  readonly config: DeliveryConfig & { readonly staleness_markers: boolean };
}

/** An exporter whose requests are OTLP's, whatever way they go. */
export function createOtlpExporter({ config, settings, ...way }: OtlpExporterOptions): PushExporter {
  const { command: name, version } = settings.build;
  return new PushExporter({
    ...way,
    settings,
    config,
    makeRequests: (emit, onUnsound) =>
      new OtlpRequests({
        encoder: createOtlpEncoder({ name, version }),
        requestBytesMax: config.sending_queue.batch.max_size,
        marksEnds: config.staleness_markers,
        emit,
        onUnsound,
      }),
  });
}
