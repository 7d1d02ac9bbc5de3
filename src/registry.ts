// SPDX-License-Identifier: Apache-2.0
import type { Catalog } from "./config/catalog.ts";

/**
 * All components of this build, by type. Each is imported only if a config names it. This is the only file that names
 * components: a new one is a folder and an entry here.
 */
export const registry: Catalog = {
  receivers: {
    kata: {
      stability: "beta",
      aliases: [],
      load: async () => (await import("./receivers/kata/factory.ts")).factory,
    },
  },
  processors: {
    batch: {
      stability: "stable",
      aliases: [],
      load: async () => (await import("./processors/batch/factory.ts")).factory,
    },
    cri_metadata: {
      stability: "beta",
      aliases: [],
      load: async () => (await import("./processors/cri_metadata/factory.ts")).factory,
    },
    memory_limiter: {
      stability: "beta",
      aliases: [],
      load: async () => (await import("./processors/memory_limiter/factory.ts")).factory,
    },
  },
  exporters: {
    debug: {
      stability: "stable",
      aliases: [],
      load: async () => (await import("./exporters/debug/factory.ts")).factory,
    },
    file: {
      stability: "beta",
      aliases: [],
      load: async () => (await import("./exporters/file/factory.ts")).factory,
    },
    nop: {
      stability: "stable",
      aliases: [],
      load: async () => (await import("./exporters/nop/factory.ts")).factory,
    },
    otlp_grpc: {
      stability: "beta",
      aliases: ["otlp"],
      load: async () => (await import("./exporters/otlp_grpc/factory.ts")).factory,
    },
    otlp_http: {
      stability: "beta",
      aliases: ["otlphttp"],
      load: async () => (await import("./exporters/otlp_http/factory.ts")).factory,
    },
    prometheus: {
      stability: "beta",
      aliases: [],
      load: async () => (await import("./exporters/prometheus/factory.ts")).factory,
    },
    prometheus_remote_write: {
      stability: "beta",
      aliases: ["prometheusremotewrite"],
      load: async () => (await import("./exporters/prometheus_remote_write/factory.ts")).factory,
    },
  },
  extensions: {
    basicauth: {
      stability: "beta",
      aliases: [],
      load: async () => (await import("./extensions/basicauth/factory.ts")).factory,
    },
    bearertokenauth: {
      stability: "beta",
      aliases: [],
      load: async () => (await import("./extensions/bearertokenauth/factory.ts")).factory,
    },
    file_storage: {
      stability: "beta",
      aliases: [],
      load: async () => (await import("./extensions/file_storage/factory.ts")).factory,
    },
    health_check: {
      stability: "beta",
      aliases: ["healthcheckv2"],
      load: async () => (await import("./extensions/health_check/factory.ts")).factory,
    },
    headers_setter: {
      stability: "beta",
      aliases: [],
      load: async () => (await import("./extensions/headers_setter/factory.ts")).factory,
    },
    kata_monitor_api: {
      stability: "beta",
      aliases: [],
      load: async () => (await import("./extensions/kata_monitor_api/factory.ts")).factory,
    },
    oauth2client: {
      stability: "beta",
      aliases: [],
      load: async () => (await import("./extensions/oauth2client/factory.ts")).factory,
    },
    sigv4auth: {
      stability: "beta",
      aliases: [],
      load: async () => (await import("./extensions/sigv4auth/factory.ts")).factory,
    },
  },
};
