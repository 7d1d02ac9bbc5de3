// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerWithoutCredentials, sendAuthenticated } from "./attempt.ts";
import type { ClientAuthenticator, RequestHeaders } from "./authenticator.ts";
import { LastingError } from "./lasting_error.ts";

const REQUEST = { method: "POST", url: "http://peer.test/", headers: { a: "b" }, body: Buffer.from("") };

/** Has these tokens, one after the other; a renewal goes to the next. */
function holding(...tokens: readonly string[]): ClientAuthenticator {
  const left = [...tokens];
  return {
    refusal: () => undefined,
    authenticate: async ({ headers }) => ({ ...headers, token: left[0] ?? "" }),
    renew: async ({ token }) => {
      if (left[0] === token) left.shift();
      return left.length > 0;
    },
  };
}

/** Sends to a peer that takes one token only, and returns what was sent. */
async function sentBy(
  authenticator: ClientAuthenticator | undefined,
  good = "good",
): Promise<readonly RequestHeaders[]> {
  const sent: RequestHeaders[] = [];
  const taken = await sendAuthenticated(authenticator, REQUEST, {
    signal: new AbortController().signal,
    send: async (headers) => {
      sent.push(headers);
      return headers["token"] === good;
    },
    isRefused: (result) => !result,
  });
  assert.equal(taken, sent.at(-1)?.["token"] === good);
  return sent;
}

test("a request is sent once more where its credentials are refused and there are others", async () => {
  assert.deepEqual(await sentBy(undefined), [{ a: "b" }]);
  assert.deepEqual(await sentBy(holding("good")), [{ a: "b", token: "good" }]);
  assert.deepEqual(await sentBy(holding("old", "good")), [
    { a: "b", token: "old" },
    { a: "b", token: "good" },
  ]);
  assert.deepEqual(await sentBy(holding("bad")), [{ a: "b", token: "bad" }]);
  assert.equal((await sentBy(holding("old", "older", "good"))).length, 2, "and no more than once");
});

test("nothing is sent where there are no credentials, or none in time", async () => {
  const send = () => assert.fail("it was sent");
  const options = (signal: AbortSignal) => ({ signal, send, isRefused: () => false });
  const never = new AbortController();
  const without = { ...holding(), authenticate: () => Promise.reject(new Error("the server is down")) };
  await assert.rejects(
    sendAuthenticated(without, REQUEST, options(never.signal)),
    /^Error: the server is down$/,
  );
  const hanging = { ...holding(), authenticate: () => new Promise<never>(() => {}) };
  const late = sendAuthenticated(hanging, REQUEST, options(never.signal));
  never.abort();
  await assert.rejects(late, /^Error: cannot get credentials before the attempt's deadline$/);
  await assert.rejects(
    sendAuthenticated(hanging, REQUEST, options(AbortSignal.abort())),
    /before the attempt's deadline/,
  );
});

test("an error that lasts until somebody acts holds the exporter; any other may pass", () => {
  assert.deepEqual(answerWithoutCredentials(new Error("down"), "http://peer.test/"), {
    kind: "busy",
    status: "credentials",
    error: "http://peer.test/: down",
  });
  assert.equal(answerWithoutCredentials(new LastingError("no such client"), "peer").kind, "hold");
});
