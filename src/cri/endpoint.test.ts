// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { criEndpoint, parseCriEndpoint } from "./endpoint.ts";

function check(text: string, want: string | undefined): void {
  const parsed = parseCriEndpoint(text);
  assert.deepEqual("endpoints" in parsed ? parsed.endpoints : undefined, want && [want], text);
}

test("the forms that kata-monitor and the kubelet accept are accepted, and no others", () => {
  check("/no/protocol", "unix:///no/protocol");
  check("unix:///run/crio/crio.sock", "unix:///run/crio/crio.sock");
  check("unix:/run/crio/crio.sock", "unix:///run/crio/crio.sock");
  check("tcp://localhost:1234", "dns:///localhost:1234");
  check("tcp://[::1]:1234", "dns:///[::1]:1234");
  check("dns:///runtime.local:1234", "dns:///runtime.local:1234");
  check("127.0.0.1:1234", "dns:///127.0.0.1:1234");
  check("no.protocol", undefined);
  check("wrong://localhost:1234", undefined);
  check("unix://relative.sock", undefined);
  check("tcp://localhost", undefined);
  check("tcp://localhost:0", undefined);
  check("tcp://localhost:65536", undefined);
  check("", undefined);
});

test("auto is the well-known sockets, containerd's first", () => {
  const parsed = parseCriEndpoint("auto");
  assert.ok("endpoints" in parsed);
  assert.equal(parsed.endpoints[0], "unix:///run/containerd/containerd.sock");
  assert.ok(parsed.endpoints.includes("unix:///run/k3s/containerd/containerd.sock"));
});

test("a path that no socket can have is refused by the schema", () => {
  assert.equal(criEndpoint().safeParse(`/${"a".repeat(106)}`).success, true);
  const { error } = criEndpoint().safeParse(`/${"a".repeat(107)}`);
  assert.equal(error?.issues[0]?.message, "must have a socket path of at most 107 bytes");
});
