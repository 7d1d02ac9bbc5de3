// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { parseListenAddress } from "../options/values.ts";
import { listening, servingOptions, toServing } from "./config.ts";

const schema = z.strictObject(servingOptions);
const servingOf = (config: object) => toServing(schema.parse(config), undefined);
const TLS = { cert_file: "/c", key_file: "/k" };
const AUTH = { authenticator: "basicauth/server" };

const ADDRESS = { host: "127.0.0.1", port: 8090 };

test("hosts are names or patterns, without a port or scheme", () => {
  const check = (host: string, isGood: boolean): void =>
    assert.equal(schema.safeParse({ allowed_hosts: [host] }).success, isGood, host);
  for (const host of ["*", "agent.example", "*.example", "Agent_1.example."]) check(host, true);
  for (const host of ["", "agent.example:8090", "http://agent.example", "[::1]", "a*"]) check(host, false);
  assert.deepEqual(servingOf({ allowed_hosts: ["a"] }).allowedHosts, ["a"]);
});

test("a listener needs the extension that it names, at the place of the option", () => {
  assert.deepEqual(listening.uses({ address: ADDRESS, serving: servingOf({}) }), []);
  assert.deepEqual(listening.uses({ address: ADDRESS, serving: servingOf({ auth: AUTH }) }), [
    { id: "basicauth/server", role: "server_authenticator", path: ["auth", "authenticator"] },
  ]);
});

test("credentials that come from the network in the clear are remarked on", () => {
  const check = (endpoint: string, config: object, count: number): void => {
    const address = parseListenAddress(endpoint) ?? assert.fail(endpoint);
    assert.equal(listening.remarks({ address, serving: servingOf(config) }).length, count, endpoint);
  };
  for (const endpoint of [":8090", "0.0.0.0:8090", "10.0.0.1:8090", "node-1:8090", "[fe80::1]:8090"]) {
    check(endpoint, { auth: AUTH }, 1);
    check(endpoint, { auth: AUTH, tls: TLS }, 0);
    check(endpoint, {}, 0);
  }
  for (const endpoint of ["localhost:8090", "127.0.0.1:8090", "[::1]:8090", "unix:///run/a.sock"])
    check(endpoint, { auth: AUTH }, 0);
});
