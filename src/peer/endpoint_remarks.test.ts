// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { remarksOnEndpoint, type WrittenEndpoint } from "./endpoint_remarks.ts";

function check(endpoint: WrittenEndpoint, want: RegExp | undefined): void {
  const [remark, ...more] = remarksOnEndpoint(endpoint);
  assert.deepEqual(more, []);
  assert.match(remark?.message ?? "fine", want ?? /^fine$/, JSON.stringify(endpoint));
  assert.deepEqual(remark?.path, want && [endpoint.option]);
}

const http = (option: string, path: string, port = 4318): WrittenEndpoint => ({
  protocol: "otlp_http",
  option,
  port,
  path,
});

test("endpoints of otlp_http", () => {
  check(http("endpoint", "/v1/metrics"), undefined);
  check(http("endpoint", "/gateway/v1/metrics", 443), undefined);
  check(http("endpoint", "/v1/metrics/v1/metrics"), /\/v1\/metrics is added/);
  check(http("endpoint", "/v1/traces/v1/metrics"), /\/v1\/metrics is added/);
  check(http("endpoint", "/v1/metrics", 4317), /4317, on which servers usually speak gRPC/);
  check(http("metrics_endpoint", "/"), /has no path/);
  check(http("metrics_endpoint", "/v1/metrics"), undefined);
  check(http("metrics_endpoint", "/otlp"), undefined);
});

test("endpoints of otlp_grpc", () => {
  const grpc = (port: number): WrittenEndpoint => ({
    protocol: "otlp_grpc",
    option: "endpoint",
    port,
    path: "",
  });
  check(grpc(4317), undefined);
  check(grpc(443), undefined);
  check(grpc(4318), /4318, on which servers usually speak OTLP over HTTP/);
});

test("endpoints of prometheus_remote_write", () => {
  const write = (path: string): WrittenEndpoint => ({
    protocol: "prometheus_remote_write",
    option: "endpoint",
    port: 9090,
    path,
  });
  check(write("/api/v1/write"), undefined);
  check(write("/"), /has no path/);
  check(write(""), /has no path/);
});
