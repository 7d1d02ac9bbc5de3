// SPDX-License-Identifier: Apache-2.0
import type { Remark } from "../../component/factory.ts";
import { formatDuration } from "../../options/values.ts";
import { remarksOnEndpoint } from "../../peer/endpoint_remarks.ts";
import type { OtlpGrpcConfig } from "./config.ts";

/** Servers of grpc-go and of gRPC's C core close a connection that gets keepalive pings more often than this. */
const KEEPALIVE_MS_MIN = 300_000;

/** Warns of options that are valid but will probably not do what the user wants. */
export function remarksOnOtlpGrpc({ endpoint, keepalive }: OtlpGrpcConfig): readonly Remark[] {
  const { place } = endpoint;
  const onEndpoint =
    "path" in place
      ? []
      : remarksOnEndpoint({ protocol: "otlp_grpc", option: "endpoint", port: place.port, path: "" });
  const { idleMs } = keepalive;
  if (idleMs === undefined || idleMs >= KEEPALIVE_MS_MIN) return onEndpoint;
  const least = formatDuration(KEEPALIVE_MS_MIN);
  const message = `servers usually end a connection that is asked more often than every ${least} (GOAWAY "too_many_pings"); say at least ${least}, or leave it out`;
  return [...onEndpoint, { path: ["keepalive", "time"], message }];
}
