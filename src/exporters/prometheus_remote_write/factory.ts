// SPDX-License-Identifier: Apache-2.0
import { authUse } from "../../auth/config.ts";
import type { ExporterFactory } from "../../component/factory.ts";
import { storageUse } from "../../delivery/storage_use.ts";
import { remarksOnEndpoint } from "../../peer/endpoint_remarks.ts";
import { type RemoteWriteConfig, remoteWriteSchema } from "./config.ts";
import { createRemoteWriteExporter } from "./exporter.ts";

/** Pushes samples to Prometheus, or to another receiver of its remote writes. */
export const factory: ExporterFactory<RemoteWriteConfig> = {
  stability: "beta",
  schema: remoteWriteSchema,
  uses: ({ sendingQueue, auth, authPath }) => [
    ...storageUse(sendingQueue),
    ...authUse(auth, "http_authenticator").map((use) => ({ ...use, path: [...authPath, "authenticator"] })),
  ],
  remarks: ({ url, endpointPath: path }) => {
    const remarks = remarksOnEndpoint({ protocol: "prometheus_remote_write", option: "endpoint", ...url });
    return remarks.map((remark) => ({ ...remark, path }));
  },
  create: createRemoteWriteExporter,
};
