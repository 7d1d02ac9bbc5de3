// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { freePort } from "../free_port.ts";

/**
 * The smallest config with which the component starts on any machine; `{}` for every component that takes it. The id is
 * section and type ("exporters/file"), and `folder` is for the component's files.
 */
export async function smallestConfig(id: string, folder: string): Promise<object> {
  switch (id) {
    case "receivers/kata":
      return { roots: ["/nowhere/run/vc/sbs"] };
    case "processors/cri_metadata":
      return { endpoint: "unix:///nowhere/cri.sock", wait: "0s" };
    case "processors/memory_limiter":
      return { check_interval: "1s", limit_percentage: 100 };
    case "extensions/file_storage":
      return { directory: join(folder, "storage"), create_directory: true };
    case "extensions/health_check":
    case "extensions/kata_monitor_api":
    case "exporters/prometheus":
      return { endpoint: `127.0.0.1:${await freePort()}` };
    case "exporters/file":
      return { path: join(folder, "out") };
    case "exporters/otlp_grpc":
      // No server listens there; the shutdown must end nevertheless.
      return { endpoint: "127.0.0.1:1", tls: { insecure: true } };
    case "exporters/otlp_http":
    case "exporters/prometheus_remote_write":
      return { endpoint: "http://127.0.0.1:1" };
    case "extensions/basicauth":
      return { client_auth: { username: "me", password: "" } };
    case "extensions/bearertokenauth":
      return { token: "abc" };
    case "extensions/headers_setter":
      return { headers: [{ key: "a", value: "b" }] };
    case "extensions/oauth2client":
      return { client_id: "me", client_secret: "", token_url: "http://127.0.0.1:1/token" };
    default:
      return {};
  }
}
