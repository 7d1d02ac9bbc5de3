// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import {
  CLIENT_AUTHENTICATORS,
  type ClientAuthenticator,
  type RequestHeaders,
  SERVER_AUTHENTICATORS,
  type ServerAuthenticator,
  type Verdict,
} from "../../../src/auth/authenticator.ts";
import { FakeClock } from "../../../src/clock/fake_clock.ts";
import type { Extension } from "../../../src/component/component.ts";
import type { ExtensionFactory } from "../../../src/component/factory.ts";
import type { Host } from "../../../src/component/host.ts";
import type { ComponentStatus } from "../../../src/component/status.ts";
import { createHost } from "../../../src/pipeline/host.ts";
import { type LogLine, recordedLogger } from "./logs.ts";
import { testSettings } from "./settings.ts";

export interface RunningAuthenticator {
  readonly extension: Extension;
  readonly authenticator: ClientAuthenticator;
  readonly host: Host;
  readonly clock: FakeClock;
  readonly lines: readonly LogLine[];
  /** Returns the headers of a request that had the headers `before` and was given its credentials. */
  headers(before?: RequestHeaders): Promise<RequestHeaders>;
  status(): ComponentStatus | undefined;
}

interface AuthenticatorOptions {
  readonly id: string;
  readonly config: object;
  readonly host?: Host;
}

/** Starts an extension that gives requests their credentials, in fake time; it is shut down after the test. */
export async function runningAuthenticator<C>(
  context: TestContext,
  factory: ExtensionFactory<C>,
  options: AuthenticatorOptions,
): Promise<RunningAuthenticator> {
  const running = await runningExtension(context, factory, options);
  const { host } = running;
  const authenticator =
    new Map(host.single(CLIENT_AUTHENTICATORS).all()).get(options.id) ?? assert.fail("it is not offered");
  const request = { method: "POST", url: "http://peer.test/", body: Buffer.from("body") };
  return {
    ...running,
    authenticator,
    headers: (before = {}) => authenticator.authenticate({ ...request, headers: before }),
  };
}

type RunningExtension = Pick<RunningAuthenticator, "extension" | "host" | "clock" | "lines" | "status">;

export interface RunningServerAuthenticator extends RunningExtension {
  readonly authenticator: ServerAuthenticator;
  /** Returns whether a request with these headers is let in. */
  check(headers: RequestHeaders, peer?: string): Promise<Verdict>;
}

/** Starts an extension that asks requests for credentials, in fake time; it is shut down after the test. */
export async function runningServerAuthenticator<C>(
  context: TestContext,
  factory: ExtensionFactory<C>,
  options: AuthenticatorOptions,
): Promise<RunningServerAuthenticator> {
  const running = await runningExtension(context, factory, options);
  const offered = new Map(running.host.single(SERVER_AUTHENTICATORS).all());
  const authenticator: ServerAuthenticator = offered.get(options.id) ?? assert.fail("it is not offered");
  return {
    ...running,
    authenticator,
    check: (headers, peer = "peer") => authenticator.check({ headers, peer }),
  };
}

async function runningExtension<C>(
  context: TestContext,
  factory: ExtensionFactory<C>,
  { id, config, host = createHost() }: AuthenticatorOptions,
): Promise<RunningExtension> {
  const { logger, lines } = recordedLogger();
  const clock = new FakeClock();
  const extension = factory.create(factory.schema.parse(config), testSettings({ id, host, clock, logger }));
  context.after(() => extension.shutdown(AbortSignal.abort()));
  await extension.start();
  host.statuses.report("extension", id, "ok");
  const status = () => host.statuses.components().find((one) => one.id === id);
  return { extension, host, clock, lines, status };
}
