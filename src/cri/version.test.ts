// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { broadcastsEvents } from "./version.ts";

function check(name: string, version: string, want: boolean): void {
  assert.equal(broadcastsEvents({ name, version }), want, `${name} ${version}`);
}

test("only runtimes that tell all listeners are listened to", () => {
  check("containerd", "1.6.20~ds1", false);
  check("containerd", "v1.7.27", false);
  check("containerd", "2.0.0", true);
  check("containerd", "v2.1.4", true);
  check("containerd", "v10.0.0-rc.1", true);
  check("cri-o", "1.29.4", false);
  check("cri-o", "1.30.0", true);
  check("cri-o", "2.0.0", true);
  check("docker", "27.0.0", false);
  check("constructor", "9.0.0", false);
  check("containerd", "unknown", false);
  check("containerd", "", false);
});
