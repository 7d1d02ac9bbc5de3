// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ForwardProxy, parseProxyUrl, proxyUrl } from "./proxy_url.ts";

test("the URL of a proxy is read", () => {
  const check = (text: string, want: Partial<ForwardProxy>): void => {
    const proxy = parseProxyUrl(text);
    assert.ok(typeof proxy !== "string", String(proxy));
    assert.partialDeepStrictEqual(proxy, want);
  };
  check("http://proxy.example:3128", {
    isTls: false,
    address: "proxy.example:3128",
    authorization: undefined,
  });
  check("http://proxy.example/", { port: 80, address: "proxy.example:80" });
  check("https://proxy.example", { isTls: true, port: 443 });
  check("proxy.example:3128", { isTls: false, host: "proxy.example", port: 3128 });
  check("http://[::1]:3128", { host: "::1", address: "[::1]:3128" });
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
  check("http://me:p%40ss@proxy.example:1", { authorization: basic("me:p@ss"), address: "proxy.example:1" });
  check("http://me:100%@proxy.example:1", { authorization: basic("me:100%") });
  check("http://me@proxy.example:1", { authorization: basic("me:") });
});

test("what is no proxy is refused without showing it", () => {
  const check = (text: string, want: RegExp): void => {
    const refusal = parseProxyUrl(text);
    assert.ok(typeof refusal === "string");
    assert.match(refusal, want);
    assert.doesNotMatch(refusal, /hunter2/);
  };
  check("socks5://me:hunter2@proxy.example:1080", /socks5 proxies are not supported/);
  check("http://me:hunter2@", /must be "http:/);
  check("http://me:hunter2@proxy example", /must be "http:/);
  check("", /must be "http:/);
});

test('the option accepts "none"', () => {
  assert.equal(proxyUrl().parse("none"), "none");
  assert.equal(proxyUrl().safeParse("ftp://a").success, false);
});
