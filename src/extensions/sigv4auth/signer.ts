// SPDX-License-Identifier: Apache-2.0

import { SignatureV4 } from "@smithy/signature-v4";
import type { ClientAuthenticator, RequestHeaders, UnsentRequest } from "../../auth/authenticator.ts";
import { LastingError } from "../../auth/lasting_error.ts";
import type { Clock } from "../../clock/clock.ts";
import { messageOf } from "../../text/error_text.ts";
import { type GivenScope, scopeOf } from "./scope.ts";
import { Sha256 } from "./sha256.ts";

/** What AWS knows a client by. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface SignerOptions {
  /** What is left out is told by the host that a request goes to. */
  readonly scope: GivenScope;
  readonly clock: Clock;
  /** Asked for each request. Rejects where there are none. */
  credentials(): Promise<AwsCredentials>;
}

/** Signs HTTP requests as AWS asks for it (Signature Version 4), their bodies included. */
export function sigv4Authenticator(options: SignerOptions): ClientAuthenticator {
  return {
    refusal: (kind) =>
      kind === "http"
        ? undefined
        : "AWS signs requests of HTTP, not calls of gRPC; use an exporter over HTTP, such as otlp_http",
    authenticate: (request) => sign(request, options),
    // Whatever AWS refuses is refused with the next signature too.
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
      // The signature covers the host, so it must be sent as it is here.
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
    // A node that has none may get them tomorrow: until then its data is kept.
    throw new LastingError(`cannot get credentials of AWS: ${reason}`, { cause: error });
  }
}

function queryOf(params: URLSearchParams): Record<string, string[]> {
  return Object.fromEntries([...new Set(params.keys())].map((name) => [name, params.getAll(name)]));
}
