import assert from "node:assert/strict";
import { test } from "node:test";
import { renderFaults } from "../../src/config/fault.ts";
import { loadConfig } from "../../src/config/load.ts";
import { printableConfig } from "../../src/config/print.ts";
import { registry } from "../../src/registry.ts";

/** What is printed of a config with these extensions and exporters, or its faults. */
async function loaded(extensions: string, exporter: string, running: string): Promise<string> {
  const text = `receivers: {kata: }
extensions: {${extensions}}
exporters: {${exporter}}
service: {extensions: [${running}], pipelines: {metrics: {receivers: [kata], exporters: [otlp_grpc]}}}
`;
  const readFile = () => Promise.resolve(Buffer.from(text));
  const result = await loadConfig({ uris: ["f"], sets: [], env: {}, readFile }, registry);
  if (!result.ok) return renderFaults(result.faults);
  return JSON.stringify(await printableConfig(result.tree, registry, { unredacted: false }));
}

test("an authenticator that is none, does not run or cannot serve gRPC is a fault with its place", async () => {
  const check = async (id: string, want: string): Promise<void> => {
    const exporter = `otlp_grpc: {endpoint: "h:1", auth: {authenticator: ${id}}}`;
    const extensions =
      "sigv4auth: , health_check: , bearertokenauth: {token: t}, bearertokenauth/b: {token: t}";
    const printed = await loaded(extensions, exporter, "sigv4auth, health_check, bearertokenauth");
    assert.equal(
      printed.split("\n")[0],
      `f:3:64: exporters::otlp_grpc::auth::authenticator: references extension "${id}" ${want}`,
    );
  };
  await check("beerertokenauth", 'which is not configured; did you mean "bearertokenauth"?');
  await check("bearertokenauth/b", "which is not in service::extensions");
  await check("health_check", "which is no authenticator");
  await check("sigv4auth", "which serves HTTP requests only, not calls of gRPC; use otlp_http");
});

test("no printed config holds a secret of an authenticator", async () => {
  const extensions = [
    "basicauth: {client_auth: {username: me, password: s3cret-1}}",
    "bearertokenauth: {token: s3cret-2}",
    "bearertokenauth/b: {tokens: [s3cret-3]}",
    'oauth2client: {client_id: me, client_secret: s3cret-4, token_url: "http://h/", endpoint_params: {a: s3cret-5}}',
    "headers_setter: {headers: [{key: a, value: s3cret-6}]}",
  ].join();
  const running = "basicauth, bearertokenauth, bearertokenauth/b, oauth2client, headers_setter";
  const exporter = 'otlp_grpc: {endpoint: "h:1", auth: {authenticator: oauth2client}}';
  const printed = await loaded(extensions, exporter, running);
  assert.match(printed, /"client_id":"me"/);
  assert.ok(!printed.includes("s3cret"), printed);
  const faulty = await loaded(extensions.replace("[s3cret-3]", "{a: s3cret-3}"), exporter, running);
  assert.match(faulty, /bearertokenauth\/b::tokens: must be a list/);
  assert.ok(!faulty.includes("s3cret"), faulty);
});
