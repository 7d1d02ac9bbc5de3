// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import type { RequestHeaders, UnsentRequest } from "../../auth/authenticator.ts";
import { FakeClock } from "../../clock/fake_clock.ts";
import { type AwsCredentials, sigv4Authenticator } from "./signer.ts";

/** The credentials of AWS's own test suite for signatures. */
const EXAMPLE = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
const AT = "20150830T123600Z";

async function signed(
  request: UnsentRequest,
  scope: { readonly service?: string; readonly region?: string } = {},
  credentials: AwsCredentials = EXAMPLE,
): Promise<RequestHeaders> {
  const { service, region } = scope;
  const clock = new FakeClock(Date.UTC(2015, 7, 30, 12, 36));
  const authenticator = sigv4Authenticator({
    scope: { service, region },
    clock,
    credentials: () => Promise.resolve(credentials),
  });
  return await authenticator.authenticate(request);
}

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();

/** The header Authorization that the specification demands for these signed headers, in their order. */
function expected(
  { method, url, body }: UnsentRequest,
  headers: RequestHeaders,
  scope: { readonly names: readonly string[]; readonly query: string; readonly path: string },
): string {
  const { names, query, path } = scope;
  const region = "us-west-2";
  const lines = names.map((name) => `${name}:${headers[name]}\n`).join("");
  const canonical = [method, path, query, lines, names.join(";"), sha256(body)].join("\n");
  const date = AT.slice(0, 8);
  const credentialScope = `${date}/${region}/aps/aws4_request`;
  const toSign = `AWS4-HMAC-SHA256\n${AT}\n${credentialScope}\n${sha256(canonical)}`;
  const key = [date, region, "aps", "aws4_request"].reduce<Buffer | string>(
    hmac,
    `AWS4${EXAMPLE.secretAccessKey}`,
  );
  const signature = hmac(key, toSign).toString("hex");
  assert.ok(URL.canParse(url));
  return `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/${credentialScope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
}

const URL_OF_PROMETHEUS =
  "https://aps-workspaces.us-west-2.amazonaws.com:8443/workspaces/ws-1/api/v1/remote%20write";

test("a request is signed as the specification says, with its body, path, query and headers", async () => {
  const request = {
    method: "POST",
    url: `${URL_OF_PROMETHEUS}?b=2&a=x%20y&a=1`,
    headers: { "content-type": "application/x-protobuf", "user-agent": "agent", "x-tenant": "t" },
    body: Buffer.from([0, 1, 254, 255]),
  };
  const headers = await signed(request);
  assert.equal(headers["host"], "aps-workspaces.us-west-2.amazonaws.com:8443");
  assert.equal(headers["x-amz-date"], AT);
  assert.equal(headers["x-amz-content-sha256"], sha256(request.body));
  assert.equal(headers["user-agent"], "agent");
  const want = expected(request, headers, {
    names: ["content-type", "host", "x-amz-content-sha256", "x-amz-date", "x-tenant"],
    query: "a=1&a=x%20y&b=2",
    // The path is escaped once more, as for every service except S3.
    path: "/workspaces/ws-1/api/v1/remote%2520write",
  });
  assert.equal(headers["authorization"], want);
});

test("a session's token is sent and signed", async () => {
  const request = { method: "POST", url: URL_OF_PROMETHEUS, headers: {}, body: Buffer.from("body") };
  const headers = await signed(request, {}, { ...EXAMPLE, sessionToken: "session" });
  assert.equal(headers["x-amz-security-token"], "session");
  const want = expected(request, headers, {
    names: ["host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"],
    query: "",
    path: "/workspaces/ws-1/api/v1/remote%2520write",
  });
  assert.equal(headers["authorization"], want);
});

test("service and region are what the config says, or what the host tells", async () => {
  const scopeFor = async (host: string, given = {}): Promise<string | undefined> => {
    const { authorization } = await signed(
      { method: "POST", url: `https://${host}/`, headers: {}, body: Buffer.alloc(0) },
      given,
    );
    return /Credential=AKIDEXAMPLE\/20150830\/(.*)\/aws4_request/.exec(authorization ?? "")?.[1];
  };
  assert.equal(await scopeFor("aps-workspaces.eu-central-1.amazonaws.com"), "eu-central-1/aps");
  assert.equal(await scopeFor("search-a-1.us-east-2.es.amazonaws.com"), "us-east-2/es");
  assert.equal(await scopeFor("xray.eu-west-1.amazonaws.com", { region: "us-east-1" }), "us-east-1/xray");
  assert.equal(await scopeFor("gateway.test", { region: "us-east-1", service: "aps" }), "us-east-1/aps");
  await assert.rejects(scopeFor("gateway.test", { region: "us-east-1" }), {
    message: 'cannot tell the AWS service and region from host "gateway.test"; give service and region',
  });
});

test("calls of gRPC are refused with the way out, and missing credentials have a reason", async () => {
  const authenticator = sigv4Authenticator({
    scope: { service: "aps", region: "us-east-1" },
    clock: new FakeClock(),
    credentials: () => Promise.reject(new Error("none found")),
  });
  assert.equal(authenticator.refusal("http"), undefined);
  assert.match(authenticator.refusal("grpc") ?? "", /use an exporter over HTTP, such as otlp_http$/);
  const request = { method: "POST", url: "http://peer.test/", headers: {}, body: Buffer.alloc(0) };
  await assert.rejects(
    authenticator.authenticate(request),
    /^Error: cannot get credentials of AWS: none found$/,
  );
});
