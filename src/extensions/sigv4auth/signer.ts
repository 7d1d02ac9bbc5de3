// SPDX-License-Identifier: Apache-2.0
import { SignatureV4 } from "@smithy/signature-v4";
import type { ClientAuthenticator, RequestHeaders, UnsentRequest } from "../../auth/authenticator.ts";
import { LastingError } from "../../auth/lasting_error.ts";
import type { Clock } from "../../clock/clock.ts";
import { messageOf } from "../../text/error_text.ts";
import { type GivenScope, scopeOf } from "./scope.ts";
import { Sha256 } from "./sha256.ts";

/** The keys with which a client signs its requests to AWS. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** The options of `sigv4Authenticator`. */
export interface SignerOptions {
  /** The service and region. One that the config leaves out is taken from the host of each request. */
  readonly scope: GivenScope;
  readonly clock: Clock;
  /** Returns the current credentials. It is called for each request. Rejects if there are none. */
  credentials(): Promise<AwsCredentials>;
}

/** Signs HTTP requests, including their bodies, by AWS's Signature Version 4. */
export function sigv4Authenticator(options: SignerOptions): ClientAuthenticator {
  return {
    refusal: (kind) =>
      kind === "http"
        ? undefined
        : "AWS signs requests of HTTP, not calls of gRPC; use an exporter over HTTP, such as otlp_http",
    authenticate: (request) => sign(request, options),
    // A new signature of the same request would be refused too.
    renew: () => Promise.resolve(false),
  };
}

async function sign(request: UnsentRequest, options: SignerOptions): Promise<RequestHeaders> {
  const { scope, clock } = options;
  const url = new URL(request.url);
  const { service, region } = scopeOf(scope, url.hostname);
  const signer = new SignatureV4({
    service,
    region,
    sha256: Sha256,
    credentials: await credentialsOf(options),
  });
  const { headers } = await signer.sign(
    {
      method: request.method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: queryOf(url.searchParams),
      // The signature covers the header Host, so the request must be sent with exactly this value.
      headers: { host: url.host, ...request.headers },
      body: request.body,
    },
    { signingDate: new Date(clock.nowMs()) },
  );
  return headers;
}

async function credentialsOf({ credentials }: SignerOptions): Promise<AwsCredentials> {
  try {
    return await credentials();
  } catch (error) {
    const reason = messageOf(error);
    // A node without credentials may get them later; the exporter keeps its data until then.
    throw new LastingError(`cannot get credentials of AWS: ${reason}`, { cause: error });
  }
}

function queryOf(params: URLSearchParams): Record<string, string[]> {
  return Object.fromEntries([...new Set(params.keys())].map((name) => [name, params.getAll(name)]));
}
