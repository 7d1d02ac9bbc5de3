// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { factory } from "./factory.ts";

test("each use of an extension has the path at which the config names it", () => {
  const endpoint = "http://prometheus:9090/api/v1/write";
  const auth = { authenticator: "basicauth" };
  const check = (input: object, want: readonly string[]): void => {
    const uses = factory.uses?.(factory.schema.parse(input)) ?? [];
    assert.deepEqual(
      uses.map(({ id, path }) => `${path.join("::")}: ${id}`),
      want,
    );
  };
  check({ http: { endpoint } }, []);
  check({ http: { endpoint, auth } }, ["http::auth::authenticator: basicauth"]);
  check({ endpoint, auth, sending_queue: { storage: "file_storage" } }, [
    "sending_queue::storage: file_storage",
    "auth::authenticator: basicauth",
  ]);
});

test("remarks on the endpoint have the path at which it is written", () => {
  const endpoint = "http://prometheus:9090";
  const placesOf = (input: object) => factory.remarks?.(factory.schema.parse(input)).map(({ path }) => path);
  assert.deepEqual(placesOf({ http: { endpoint } }), [["http", "endpoint"]]);
  assert.deepEqual(placesOf({ endpoint }), [["endpoint"]]);
  assert.deepEqual(placesOf({ endpoint: `${endpoint}/api/v1/write` }), []);
});
