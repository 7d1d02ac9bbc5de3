// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { clientOf } from "./client_address.ts";

test("a client is an IPv4 address, a /64 of IPv6, or all who connect over a unix socket", () => {
  const rows: readonly (readonly [string | undefined, string])[] = [
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["::1", "::1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::6", "2001:db8:1:2::/64"],
    ["2001:db8::6", "2001:db8:0:0::/64"],
    ["2001:db8::1:2:3:4:5", "2001:db8:0:1::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64%eth0"],
    ["::2", "0:0:0:0::/64"],
    [undefined, "unix socket"],
  ];
  for (const [address, want] of rows) assert.equal(clientOf(address), want, address);
});
