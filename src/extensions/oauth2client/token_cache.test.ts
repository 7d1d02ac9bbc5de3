// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { FakeClock } from "../../clock/fake_clock.ts";
import { type Token, TokenCache } from "./token_cache.ts";

const MINUTE_MS = 60_000;

/** A cache of tokens `t1`, `t2` … with this lifetime, and what its server does. */
function caching(lifetimeMs: number | undefined, expiryBufferMs = 5 * MINUTE_MS) {
  const clock = new FakeClock();
  const heard: (string | undefined)[] = [];
  const server = { fetches: 0, fault: "", gate: Promise.resolve() };
  const fetchToken = async (): Promise<Token> => {
    const authorization = `t${++server.fetches}`;
    await server.gate;
    if (server.fault !== "") throw new Error(server.fault);
    return { authorization, lifetimeMs };
  };
  const cache = new TokenCache({
    clock,
    expiryBufferMs,
    fetchToken,
    onFetched: (error) => heard.push(error),
  });
  return { clock, server, cache, heard, get: () => cache.authorization() };
}

test("a token is fetched once, however many ask, and kept", async () => {
  const { server, get, clock } = caching(60 * MINUTE_MS);
  assert.deepEqual(await Promise.all([get(), get(), get()]), ["t1", "t1", "t1"]);
  await clock.advance(54 * MINUTE_MS);
  assert.equal(await get(), "t1");
  assert.equal(server.fetches, 1);
});

test("before its end a token is replaced while the old one is used; after it, requests wait for the new one", async () => {
  const { server, get, clock } = caching(60 * MINUTE_MS);
  await get();
  await clock.advance(55 * MINUTE_MS);
  let open = (): void => {};
  server.gate = new Promise((resolve) => {
    open = resolve;
  });
  assert.deepEqual(await Promise.all([get(), get()]), ["t1", "t1"]);
  await clock.advance(5 * MINUTE_MS);
  const late = get();
  open();
  assert.equal(await late, "t2");
  assert.equal(server.fetches, 2);
});

test("a token with a short life is kept for half of it; one of unknown life until it is refused", async () => {
  const short = caching(MINUTE_MS);
  await short.get();
  await short.clock.advance(MINUTE_MS / 2 - 1);
  await short.get();
  assert.equal(short.server.fetches, 1);
  await short.clock.advance(1);
  await short.get();
  assert.equal(short.server.fetches, 2);
  const endless = caching(undefined);
  await endless.get();
  await endless.clock.advance(1_000 * MINUTE_MS);
  assert.equal(await endless.get(), "t1");
});

test("a token that is refused is dropped, but not one that is new", async () => {
  const { cache, get, clock } = caching(60 * MINUTE_MS);
  await get();
  assert.equal(cache.refuse("t1"), false, "the next one would hardly fare better");
  await clock.advance(10_000);
  assert.equal(cache.refuse("t0"), true, "there is another one already");
  assert.equal(await get(), "t1");
  assert.equal(cache.refuse("t1"), true);
  assert.equal(await get(), "t2");
});

test("a failure is told to all who ask within a second, without another request", async () => {
  const { server, get, clock, cache, heard } = caching(60 * MINUTE_MS);
  server.fault = "down";
  await assert.rejects(get(), /^Error: down$/);
  await assert.rejects(get(), /^Error: down$/);
  assert.equal(server.fetches, 1);
  await clock.advance(1_000);
  await assert.rejects(get(), /^Error: down$/);
  assert.equal(server.fetches, 2);
  server.fault = "";
  cache.forgetFailure();
  assert.equal(await get(), "t3");
  assert.deepEqual(heard, ["down", "down", undefined]);
});

test("where a token cannot be replaced, the old one is used to its end", async () => {
  const { server, get, clock } = caching(60 * MINUTE_MS);
  await get();
  server.fault = "down";
  await clock.advance(59 * MINUTE_MS);
  assert.equal(await get(), "t1");
  await setImmediate();
  await clock.advance(MINUTE_MS);
  await assert.rejects(get(), /^Error: down$/);
});
