// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderFaults } from "../../src/config/fault.ts";
import { loadConfig } from "../../src/config/load.ts";
import { printableConfig } from "../../src/config/print.ts";
import { registry } from "../../src/registry.ts";

/** Returns what print-config prints of a config with these extensions and exporters, or the config's faults. */
async function loaded(
  extensions: string,
  exporter: string,
  running: string,
  telemetry = "",
): Promise<string> {
  const text = `receivers: {kata: }
extensions: {${extensions}}
exporters: {${exporter}}
service: {extensions: [${running}], ${telemetry}pipelines: {metrics: {receivers: [kata], exporters: [otlp_grpc]}}}
`;
  const readFile = () => Promise.resolve(Buffer.from(text));
  const result = await loadConfig({ uris: ["f"], sets: [], env: {}, readFile }, registry);
  if (!result.ok) return renderFaults(result.faults);
  return JSON.stringify(await printableConfig(result.tree, registry, { unredacted: false }));
}

test("an authenticator that is no authenticator, does not run or cannot serve gRPC is a fault with its place", async () => {
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

test("credentials without TLS for the agent's own metrics give a warning with their place", async () => {
  const warningsOf = async (host: string): Promise<readonly string[]> => {
    const reader = `{pull: {exporter: {prometheus: {host: ${host}, auth: {authenticator: bearertokenauth}}}}}`;
    const text = `receivers: {kata: }
extensions: {bearertokenauth: {token: t}}
exporters: {nop: }
service: {extensions: [bearertokenauth], telemetry: {metrics: {readers: [${reader}]}}, pipelines: {metrics: {receivers: [kata], exporters: [nop]}}}
`;
    const readFile = () => Promise.resolve(Buffer.from(text));
    const { warnings } = await loadConfig({ uris: ["f"], sets: [], env: {}, readFile }, registry);
    return warnings.map(({ path }) => path.join("::"));
  };
  const at = "service::telemetry::metrics::readers::0::pull::exporter::prometheus::auth";
  assert.deepEqual(await warningsOf("0.0.0.0"), [at]);
  assert.deepEqual(await warningsOf("localhost"), []);
});

test("a listener's authenticator that is no authenticator, does not run or has no server side is a fault with its place", async () => {
  const extensions = [
    "basicauth: {client_auth: {username: me, password: p}}",
    'basicauth/server: {htpasswd: {inline: "me:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE="}}',
    "bearertokenauth: {token: t}, bearertokenauth/idle: {token: t}, sigv4auth: ",
  ].join();
  const running = "basicauth, basicauth/server, bearertokenauth, sigv4auth";
  const firstOf = async (exporter: string, more = "") =>
    (await loaded(extensions + more, exporter, running + more.replace(/:.*/, ""))).split("\n")[0] ?? "";
  const check = async (id: string, want: string): Promise<void> => {
    const auth = `auth: {authenticator: ${id}}`;
    const other = "otlp_grpc: {endpoint: h}";
    const fault = `::auth::authenticator: references extension "${id}" ${want}`;
    const page = await firstOf(`${other}, prometheus: {endpoint: "127.0.0.1:0", ${auth}}`);
    assert.ok(page.endsWith(`exporters::prometheus${fault}`), page);
    for (const extension of ["health_check", "kata_monitor_api"]) {
      const faulty = await firstOf(other, `, ${extension}: {${auth}}`);
      assert.ok(faulty.endsWith(`extensions::${extension}${fault}`), faulty);
    }
    const reader = `telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {${auth}}}}}]}}, `;
    const [own = ""] = (await loaded(extensions, other, running, reader)).split("\n");
    const at = "service::telemetry::metrics::readers::0::pull::exporter::prometheus";
    assert.ok(own.endsWith(`${at}${fault}`), own);
  };
  const noServer =
    "which asks no request for credentials; a basicauth with htpasswd or a bearertokenauth does";
  await check("basicauth", noServer);
  await check("sigv4auth", noServer);
  await check("basicauth/servr", 'which is not configured; did you mean "basicauth/server"?');
  await check("bearertokenauth/idle", "which is not in service::extensions");
  const good = "auth: {authenticator: basicauth/server}";
  assert.match(
    await firstOf(`otlp_grpc: {endpoint: h}, prometheus: {endpoint: "127.0.0.1:0", ${good}}`),
    /^\{/,
  );
  assert.match(
    await firstOf(`otlp_grpc: {endpoint: "h:1", ${good}}`),
    /references extension "basicauth\/server" which is for listeners; a basicauth with client_auth gives/,
  );
  const params = good.replace("}", ", request_params: [key]}");
  assert.match(
    await firstOf(`otlp_grpc: {endpoint: h}, prometheus: {endpoint: "127.0.0.1:0", ${params}}`),
    /auth::request_params: is not supported; a URL with a secret is in every log/,
  );
});

test("no printed config contains a secret of an authenticator", async () => {
  const extensions = [
    "basicauth: {client_auth: {username: me, password: s3cret-1}}",
    'basicauth/server: {htpasswd: {inline: "s3cret-7:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE="}}',
    "bearertokenauth: {token: s3cret-2}",
    "bearertokenauth/b: {tokens: [s3cret-3]}",
    'oauth2client: {client_id: me, client_secret: s3cret-4, token_url: "http://h/", endpoint_params: {a: s3cret-5}}',
    "headers_setter: {headers: [{key: a, value: s3cret-6}]}",
  ].join();
  const running =
    "basicauth, basicauth/server, bearertokenauth, bearertokenauth/b, oauth2client, headers_setter";
  const exporter = 'otlp_grpc: {endpoint: "h:1", auth: {authenticator: oauth2client}}';
  const printed = await loaded(extensions, exporter, running);
  assert.match(printed, /"client_id":"me"/);
  assert.ok(!printed.includes("s3cret"), printed);
  const faulty = await loaded(extensions.replace("[s3cret-3]", "{a: s3cret-3}"), exporter, running);
  assert.match(faulty, /bearertokenauth\/b::tokens: must be a list/);
  assert.ok(!faulty.includes("s3cret"), faulty);
});
