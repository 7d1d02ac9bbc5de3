// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { SecureContextOptions } from "node:tls";
import { createTestAuthority } from "../../test/kit/certificates.ts";
import { get, startListener } from "../../test/kit/component/listener.ts";
import { clientHello } from "../../test/kit/crowd.ts";
import { hasProgram, peerIsThere } from "../../test/kit/peers.ts";
import { poll } from "../../test/kit/poll.ts";
import { FakeClock } from "../clock/fake_clock.ts";

const HAS_OPENSSL = hasProgram("openssl", "version");
const OK = /^HTTP\/1\.1 200 /;

function certificate(): SecureContextOptions {
  const authority = createTestAuthority();
  try {
    authority.issue("server", "IP:127.0.0.1");
    return {
      cert: readFileSync(authority.file("server.crt")),
      key: readFileSync(authority.file("server.key")),
    };
  } finally {
    authority.remove();
  }
}

test("handshakes past the rate wait for the next second, those of other addresses do not", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const clock = new FakeClock();
  const limits = { handshakesPerSecondMax: 2 };
  const { send } = await startListener(context, { tls: certificate(), limits, clock });
  let done = 0;
  const five = Array.from({ length: 5 }, async () => {
    const answer = await send(get("/"));
    done++;
    return answer;
  });
  await poll("two of them", () => done === 2 || undefined);
  assert.match(await send(get("/"), "127.0.0.2"), OK);
  assert.equal(done, 2);
  await clock.advance(1_000);
  await poll("two more", () => done === 4 || undefined);
  await clock.advance(1_000);
  for (const answer of await Promise.all(five)) assert.match(answer, OK);
});

test("silent connections begin no handshake, and end in time", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const clock = new FakeClock();
  const limits = { handshakesPerSecondMax: 3, connectionsPerAddressMax: 30 };
  const { open, send, closed } = await startListener(context, { tls: certificate(), limits, clock });
  const silent = await Promise.all(Array.from({ length: 100 }, () => open()));
  assert.match(await send(get("/")), OK);
  assert.equal(closed("evicted"), 71);
  const left = await open();
  left.destroy();
  await clock.advance(11_000);
  assert.equal(closed("read_timeout"), 29);
  await Promise.all(silent.map(async (socket) => socket.closed || once(socket.resume(), "close")));
  assert.equal(clock.timerCount, 0);
});

test("handshakes that stay half done give way to new ones", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const limits = { handshakesPerSecondMax: 1_000 };
  const { open, send, closed } = await startListener(context, { tls: certificate(), limits });
  const hello = await clientHello();
  for (let i = 0; i < 60; i++) {
    const socket = await open();
    socket.write(hello);
  }
  assert.match(await send(get("/")), OK);
  await poll("the first of them to be evicted", () => closed("evicted") >= 28 || undefined);
  assert.match(await send(get("/"), "127.0.0.2"), OK);
});

test("a client that does not speak TLS loses its connection, and no other client does", async (context) => {
  if (!peerIsThere(context, "openssl", HAS_OPENSSL)) return;
  const limits = { handshakesPerSecondMax: 1 };
  const { open, send, closed } = await startListener(context, {
    tls: certificate(),
    limits,
    clock: new FakeClock(),
  });
  for (let i = 0; i < 5; i++) {
    const socket = await open();
    socket.write(get("/"));
    await once(socket.resume(), "close");
  }
  assert.equal(closed("not_tls"), 5);
  assert.match(await send(get("/")), OK, "none of them has taken its turn");
});
