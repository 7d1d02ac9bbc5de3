// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { testSettings } from "../../test/kit/component/settings.ts";
import { type ReceivedRequest, SERVER_AUTHENTICATORS, type Verdict } from "../auth/authenticator.ts";
import { systemClock } from "../clock/clock.ts";
import { createHost } from "../pipeline/host.ts";
import { authenticationBy } from "./authentication.ts";
import { LISTENERS } from "./listeners.ts";
import { answerText } from "./server.ts";
import { ANY_SERVING } from "./serving.ts";

/** A listener that asks the authenticator "auth", and what it answers. */
async function serving(context: TestContext) {
  const host = createHost();
  let answered = 0;
  const share = host.single(LISTENERS).share({
    owner: { kind: "exporter", settings: testSettings({ host, clock: systemClock }) },
    address: { host: "127.0.0.1", port: 0 },
    serving: { ...ANY_SERVING, auth: "auth" },
    routes: new Map([
      [
        "/",
        async (_request, response) => {
          answered++;
          answerText(response, 200, "page");
        },
      ],
    ]),
    rank: 0,
  });
  context.after(() => share.close(AbortSignal.abort()));
  await share.listen();
  const { address } = share;
  assert.ok("port" in address);
  const url = `http://127.0.0.1:${address.port}`;
  return {
    host,
    ask: (path: string, init: RequestInit = {}) => fetch(`${url}${path}`, init),
    answered: () => answered,
  };
}

test("the authenticator decides before the path is looked at", async (context) => {
  const { host, ask, answered } = await serving(context);
  let verdict: Verdict = "accepted";
  const seen: ReceivedRequest[] = [];
  const authenticator = {
    challenge: 'Test realm="a"',
    async check(request: ReceivedRequest) {
      seen.push(request);
      return verdict;
    },
  };
  const withdraw = host.single(SERVER_AUTHENTICATORS).add("auth", authenticator);
  const headers = { authorization: "Test 1" };
  assert.equal(await (await ask("/", { headers })).text(), "page\n");
  assert.equal(seen[0]?.headers["authorization"], "Test 1");
  assert.equal(seen[0]?.peer, "127.0.0.1");
  assert.equal((await ask("/nothing")).status, 404);

  verdict = "refused";
  for (const [path, method] of [
    ["/", "GET"],
    ["/", "HEAD"],
    ["/nothing", "GET"],
    ["/", "POST"],
  ] as const) {
    const refused = await ask(path, { method });
    assert.equal(refused.status, 401, path);
    assert.equal(refused.headers.get("www-authenticate"), 'Test realm="a"');
    assert.doesNotMatch(await refused.text(), /page/);
  }
  verdict = "busy";
  const busy = await ask("/");
  assert.deepEqual([busy.status, busy.headers.get("retry-after")], [429, "1"]);
  verdict = "accepted";
  withdraw();
  assert.equal((await ask("/")).status, 503);
  assert.equal(answered(), 1);
});

test("all addresses of one network, and all clients of a unix socket, are one peer for the check of passwords", async () => {
  const host = createHost();
  const seen = new Set<string>();
  host.single(SERVER_AUTHENTICATORS).add("auth", {
    challenge: "",
    async check({ peer }) {
      seen.add(peer);
      return "accepted";
    },
  });
  const authenticate = authenticationBy(host, "auth");
  const comeFrom = async (...addresses: readonly (string | undefined)[]): Promise<number> => {
    seen.clear();
    for (const address of addresses) {
      const socket = new Socket();
      Object.defineProperty(socket, "remoteAddress", { value: address });
      await authenticate(new IncomingMessage(socket));
    }
    return seen.size;
  };
  assert.equal(await comeFrom("2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"), 1);
  assert.equal(await comeFrom("10.0.0.1", "::ffff:10.0.0.1"), 1);
  assert.equal(await comeFrom(undefined, undefined), 1);
  assert.equal(await comeFrom("10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8:0:1::1", undefined), 5);
});
