// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseProxy, type Environment, type ProxyQuestion } from "./choose.ts";
import { parseProxyUrl } from "./proxy_url.ts";

const TARGET = { host: "otel.example", port: 4317 };

function choice(env: Environment, question: Partial<ProxyQuestion> = {}): string {
  const asked = { target: TARGET, option: undefined, variable: "HTTPS_PROXY", env, ...question } as const;
  return chooseProxy(asked)?.address ?? "direct";
}

test("the environment decides where no option does", () => {
  const check = (env: Environment, want: string, question?: Partial<ProxyQuestion>): void =>
    assert.equal(choice(env, question), want, JSON.stringify(env));
  check({}, "direct");
  check({ HTTPS_PROXY: "http://a:1" }, "a:1");
  check({ https_proxy: "http://b:1" }, "b:1");
  check({ HTTPS_PROXY: "http://a:1", https_proxy: "http://b:1" }, "a:1");
  check({ HTTPS_PROXY: "", https_proxy: "http://b:1" }, "b:1");
  check({ HTTP_PROXY: "http://a:1" }, "direct");
  check({ HTTP_PROXY: "http://a:1" }, "a:1", { variable: "HTTP_PROXY" });
  check({ HTTPS_PROXY: "http://a:1" }, "direct", { variable: "HTTP_PROXY" });
  check({ ALL_PROXY: "http://a:1", grpc_proxy: "http://a:1" }, "direct");
  check({ HTTPS_PROXY: "http://a:1", no_proxy: ".example" }, "direct");
  check({ HTTPS_PROXY: "http://a:1", NO_PROXY: "other", no_proxy: ".example" }, "a:1");
});

test("the environment is ignored for the node itself", () => {
  for (const host of ["localhost", "127.0.0.1", "::1"])
    assert.equal(choice({ HTTPS_PROXY: "http://a:1" }, { target: { host, port: 1 } }), "direct");
});

test("the option decides, whatever the environment says", () => {
  const option = parseProxyUrl("http://c:1");
  assert.ok(typeof option !== "string");
  const env = { HTTPS_PROXY: "http://a:1", NO_PROXY: "*" };
  assert.equal(choice(env, { option }), "c:1");
  assert.equal(choice(env, { option, target: { host: "127.0.0.1", port: 1 } }), "c:1");
  assert.equal(choice({ HTTPS_PROXY: "http://a:1" }, { option: "none" }), "direct");
});

test("a variable that names no proxy is an error that names the variable", () => {
  assert.throws(() => choice({ https_proxy: "socks5://me:hunter2@a:1" }), {
    message:
      'cannot use the environment\'s HTTPS_PROXY: it must begin with "http://" or "https://"; socks5 proxies are not supported; or set proxy_url: none',
  });
  assert.equal(choice({ https_proxy: "socks5://a:1", NO_PROXY: "*" }), "direct");
});
