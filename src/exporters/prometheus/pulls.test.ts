// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { test } from "node:test";
import { type Pull, Pulls } from "./pulls.ts";

/** Begins a pull from that address; one that waits has sent what its puller has not taken. */
function begin(pulls: Pulls, client: string, { waits = false } = {}): Pull | undefined {
  const socket = new Socket();
  Object.defineProperty(socket, "remoteAddress", { value: client });
  const request = new IncomingMessage(socket);
  const response = new ServerResponse(request);
  if (waits) response.write("a page's first bytes");
  return pulls.begin(request, response, new AbortController().signal);
}

/** Numbers of the pulls that have been broken off. */
function cut(pulls: readonly (Pull | undefined)[]): number[] {
  return pulls.flatMap((pull, index) => (pull?.out.destroyed === true ? [index] : []));
}

test("the pull whose puller has taken nothing for longest is cut", () => {
  const pulls = new Pulls(3);
  const begun = [1, 2, 3].map(() => begin(pulls, "10.0.0.1", { waits: true }));
  begun[0]?.onTaken();
  assert.ok(begin(pulls, "10.0.0.1"));
  assert.deepEqual(cut(begun), [1]);
  assert.ok(begin(pulls, "10.0.0.1"));
  assert.deepEqual(cut(begun), [1, 2]);
});

test("of the pulls that wait, one of the client with most pulls is cut", () => {
  const pulls = new Pulls(3);
  const begun = ["10.0.0.2", "10.0.0.1", "10.0.0.1"].map((client) => begin(pulls, client, { waits: true }));
  assert.ok(begin(pulls, "10.0.0.3"));
  assert.deepEqual(cut(begun), [1]);
});

test("if none waits, a pull of a client with many is cut for a client with few, and for no other", () => {
  const pulls = new Pulls(3);
  const begun = [1, 2, 3].map(() => begin(pulls, "10.0.0.1"));
  assert.equal(begin(pulls, "10.0.0.1"), undefined);
  const other = begin(pulls, "10.0.0.2");
  assert.ok(other);
  assert.deepEqual(cut(begun), [2]);
  assert.equal(begin(pulls, "10.0.0.2"), undefined);
  pulls.end(other);
  assert.ok(begin(pulls, "10.0.0.1"));
});
