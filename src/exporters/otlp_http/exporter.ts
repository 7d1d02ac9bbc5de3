// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import { createOtlpExporter } from "../../delivery/otlp_exporter.ts";
import type { PushExporter, Transport } from "../../delivery/push_exporter.ts";
import { connectHttp } from "../../http_client/client.ts";
import { bodyFormat } from "./body.ts";
import type { OtlpHttpConfig } from "./config.ts";
import { otlpHttpProtocol } from "./protocol.ts";

/** Makes the exporter: readings become OTLP requests, which a delivery chain sends over HTTP. */
export function createOtlpHttpExporter(config: OtlpHttpConfig, settings: Settings): PushExporter {
  return createOtlpExporter({
    type: "otlp_http",
    settings,
    config,
    connect: () => connect(config, settings),
  });
}

async function connect(config: OtlpHttpConfig, settings: Settings): Promise<Transport> {
  const format = bodyFormat(config.encoding, config.compression);
  const protocol = otlpHttpProtocol(format.headers);
  const client = await connectHttp({
    url: config.url,
    config,
    timeoutMs: config.timeoutMs,
    protocol,
    settings,
  });
  return {
    async send({ parts }, signal) {
      let body: Uint8Array;
      try {
        body = await format.encode(Buffer.concat(parts), signal);
      } catch (error) {
        if (signal.aborted) return { kind: "busy", status: "timeout", error: "encoding took too long" };
        // One request of the batch is damaged. "split" makes the sender cut the batch, so that the others are sent.
        return { kind: "split", status: "encoding", error: `cannot encode a request: ${String(error)}` };
      }
      return await client.post(body, signal);
    },
    refresh: () => client.refresh(),
    close: () => client.close(),
  };
}
