// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { recordedLogger } from "../../test/kit/component/logs.ts";
import { testSettings } from "../../test/kit/component/settings.ts";
import { systemClock } from "../clock/clock.ts";
import type { ListenAddress } from "../options/values.ts";
import { defaultServerLimits } from "./config.ts";
import { Listeners, type Share, type ShareOptions } from "./listeners.ts";
import { answerText, type Route } from "./server.ts";
import { ANY_SERVING } from "./serving.ts";

const says =
  (text: string): Route =>
  async (_request, response) =>
    answerText(response, 200, text);

interface Scene {
  readonly address: { readonly host: string; readonly port: number };
  share(owner: string, paths: readonly string[], more?: Partial<ShareOptions>): Share;
  /** Status and text of the path's answer, or why there is none. */
  get(path: string): Promise<string>;
}

async function scene(context: TestContext): Promise<Scene> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = { host: "127.0.0.1", port: (probe.address() as { port: number }).port };
  probe.close();
  const listeners = new Listeners();
  const { logger, lines } = recordedLogger();
  context.after(() => assert.deepEqual(lines, [], "no listener had trouble"));
  return {
    address,
    share(owner, paths, more = {}) {
      const share = listeners.share({
        owner: { kind: "exporter", settings: testSettings({ id: owner, clock: systemClock, logger }) },
        address,
        serving: ANY_SERVING,
        routes: new Map(paths.map((path) => [path, says(`${owner} ${path}`)])),
        rank: 0,
        ...more,
      });
      context.after(() => share.close(AbortSignal.abort()));
      return share;
    },
    async get(path) {
      const response = await fetch(`http://127.0.0.1:${address.port}${path}`).catch(() => undefined);
      return response === undefined ? "nobody" : `${response.status} ${(await response.text()).trim()}`;
    },
  };
}

test("shares of one address have one listener, and the higher rank serves a path", async (context) => {
  const { share, get } = await scene(context);
  const page = share("page", ["/", "/metrics"]);
  const api = share("api", ["/", "/sandboxes"], { rank: 1 });
  await Promise.all([page.listen(), api.listen()]);
  assert.equal(await get("/"), "200 api /");
  assert.equal(await get("/metrics"), "200 page /metrics");
  assert.equal(await get("/sandboxes?verbose"), "200 api /sandboxes");
  assert.match(await get("/nothing"), /^404/);
});

test("a share that closes takes its routes with it, and the last one the listener", async (context) => {
  const { share, get } = await scene(context);
  const page = share("page", ["/"]);
  const api = share("api", ["/", "/sandboxes"], { rank: 1 });
  await api.listen();
  await page.listen();
  await api.close(AbortSignal.timeout(1_000));
  assert.equal(await get("/"), "200 page /");
  assert.match(await get("/sandboxes"), /^404/);
  await page.close(AbortSignal.timeout(1_000));
  assert.equal(await get("/"), "nobody");
  const next = share("next", ["/"]);
  await next.listen();
  assert.equal(await get("/"), "200 next /");
});

test("shares that do not agree are an error that names both and the reason", async (context) => {
  const { share, address } = await scene(context);
  share("one", ["/metrics"], { serving: { ...ANY_SERVING, limits: defaultServerLimits } });
  const refused = async (
    paths: readonly string[],
    more: Partial<ShareOptions>,
    want: RegExp,
  ): Promise<void> => {
    const other = share("two", paths, more);
    await assert.rejects(other.listen(), want);
    await other.close(AbortSignal.abort());
  };
  const where = `exporter "two" and exporter "one" share 127.0.0.1:${address.port}`;
  await refused(["/metrics"], {}, new RegExp(`${where} and both serve /metrics`));
  const limits = { ...defaultServerLimits, connectionsMax: 1 };
  await refused(
    ["/other"],
    { serving: { ...ANY_SERVING, limits } },
    new RegExp(`${where} and differ in limits`),
  );
});

test("a share that comes later gets the options in use, or an error where it wants others", async (context) => {
  const { share, get, address } = await scene(context);
  const api = share("api", ["/"]);
  await api.listen();
  const tls = {
    certFile: "tls.crt",
    keyFile: "tls.key",
    clientCaFile: undefined,
    minVersion: "TLSv1.2" as const,
    ciphers: "",
    groups: "auto",
    reloadIntervalMs: 0,
  };
  const page = share("page", ["/metrics"], { serving: { ...ANY_SERVING, tls } });
  const where = `127.0.0.1:${address.port}`;
  await assert.rejects(
    page.listen(),
    new RegExp(`exporter "page" wants other tls than ${where} is served with`),
  );
  assert.equal(await get("/"), "200 api /");
});

test("an address that another program uses is a clear error, and port 0 is never shared", async (context) => {
  const { share, address } = await scene(context);
  const other = createServer().listen(address.port, "127.0.0.1");
  await once(other, "listening");
  context.after(() => other.close());
  await assert.rejects(share("page", ["/"]).listen(), /cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/);
  const any: ListenAddress = { host: "127.0.0.1", port: 0 };
  const one = share("one", ["/"], { address: any });
  const two = share("two", ["/"], { address: any });
  await one.listen();
  await two.listen();
  assert.notDeepEqual(one.address, two.address);
});

test("credentials that one component wants are needed for all routes of its address", async (context) => {
  const { share, get } = await scene(context);
  const page = share("page", ["/metrics"], { serving: { ...ANY_SERVING, auth: "basicauth" } });
  const api = share("api", ["/sandboxes"]);
  await api.listen();
  await page.listen();
  for (const path of ["/metrics", "/sandboxes", "/nothing"])
    assert.equal(await get(path), '503 authenticator "basicauth" does not run now');
  const other = share("other", ["/other"], { serving: { ...ANY_SERVING, auth: "bearertokenauth" } });
  await assert.rejects(other.listen(), /wants other auth than .* is served with; that needs a restart/);
});
