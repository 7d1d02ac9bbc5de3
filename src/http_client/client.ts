// SPDX-License-Identifier: Apache-2.0
import { arch, platform } from "node:os";
import { answerWithoutCredentials, sendAuthenticated } from "../auth/attempt.ts";
import type { ClientAuthenticator, RequestHeaders, UnsentRequest } from "../auth/authenticator.ts";
import { offeredAuthenticator } from "../auth/offered.ts";
import type { BuildInfo, Settings } from "../component/component.ts";
import { type Approach, adviceOnAnswer } from "../peer/advice.ts";
import { type Answer, meaningOfHttp, saysTooLarge } from "../peer/answer.ts";
import { BROKEN_OFF, isBrokenOff } from "../peer/broken_off.ts";
import { errorText } from "../peer/error_text.ts";
import { FailedPeer } from "../peer/failed_peer.ts";
import { withLowerCaseNames } from "../peer/header_names.ts";
import { retryAfterMs } from "../peer/retry_after.ts";
import { PROXY_AUTHENTICATION_REQUIRED, ProxyError } from "../proxy/tunnel.ts";
import { describeStatus, type PushAnswer, toLogText } from "./answer.ts";
import type { HttpClientConfig } from "./config.ts";
import { HttpConnections } from "./connections.ts";
import { type NoAnswer, postOnce } from "./post.ts";
import { formatUrl, type PushUrl } from "./url.ts";

/** How a protocol, such as OTLP or remote write, uses HTTP. */
export interface PushProtocol {
  /** Headers of every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Returns whether an answer of 2xx comes from a server of the protocol, and not from a web server, for example. */
  isOwn(answer: PushAnswer): boolean;
  /**
   * Returns why an answer of 2xx is not of the protocol, for the error text. Undefined to quote the content type and
   * the first words of the answer instead.
   */
  whyNotOwn?(answer: PushAnswer): string | undefined;
  /** Reads the details of the protocol's answer of 2xx. `samples` is the number that the caller gave to `post`. */
  accepted(
    answer: PushAnswer,
    samples?: number,
  ): { readonly rejectedPoints: number; readonly message: string };
  /** Returns the reason that an answer other than 2xx gives, as a part of a log line; empty if it gives none. */
  reasonOf(answer: PushAnswer): string;
}

/** The options of an `HttpPushClient`. */
export interface HttpPushOptions {
  readonly url: PushUrl;
  readonly config: HttpClientConfig;
  /** The deadline of one attempt, which error texts name. The caller of `post` aborts its signal at this deadline. */
  readonly timeoutMs: number;
  readonly protocol: PushProtocol;
  /** The settings of the exporter. */
  readonly settings: Settings;
}

/** The most characters of a body that an error text quotes, if an answer of 2xx is not of the protocol. */
const FIRST_WORDS_CHARS = 120;
const UNAUTHORIZED = 401;

/**
 * Posts bodies to one URL over connections that stay open. It repeats a request by itself only if the server closed an
 * idle connection while the request was being sent, or if the authenticator has new credentials after a 401.
 * `delivery/` makes all other retries.
 */
export class HttpPushClient {
  readonly #options: HttpPushOptions;
  readonly #connections: HttpConnections;
  readonly #authenticator: ClientAuthenticator | undefined;
  /** The parts of every request except its body, which `post` adds. Authenticators see all of them. */
  readonly #unsent: Omit<UnsentRequest, "body">;
  readonly #approach: Approach;
  readonly #failures: FailedPeer;
  /** The URL, and the proxy if there is one, for error texts. */
  readonly #where: string;

  /**
   * `connections` must be opened before `post` is called, since opening reads the certificates. Throws if
   * the config names an authenticator that no extension offers, or that cannot serve HTTP.
   */
  constructor(options: HttpPushOptions, connections: HttpConnections) {
    const { url, config, protocol, settings } = options;
    this.#options = options;
    this.#connections = connections;
    this.#authenticator = offeredAuthenticator(settings.host, config.auth?.authenticator, "http");
    this.#unsent = {
      method: "POST",
      url: formatUrl({ ...url, socketPath: undefined }) + url.query,
      headers: {
        "user-agent": userAgent(settings.build),
        ...withLowerCaseNames(config.headers),
        ...withLowerCaseNames(protocol.headers),
      },
    };
    const { proxy } = connections.route;
    const hasCertificate = config.tls.cert !== undefined;
    this.#approach = { protocol: "HTTP", isTls: url.isTls, hasCertificate };
    this.#failures = new FailedPeer(settings.clock, this.#approach);
    this.#where = formatUrl(url) + (proxy === undefined ? "" : ` through proxy ${proxy.address}`);
  }

  /**
   * Makes one attempt. Never rejects; resolves soon after `signal` aborts. `samples` is passed to the protocol's
   * `accepted`.
   */
  async post(body: Uint8Array, signal: AbortSignal, samples = 0): Promise<Answer> {
    const request = { ...this.#unsent, body };
    try {
      const result = await sendAuthenticated(this.#authenticator, request, {
        signal,
        send: (headers) => this.#send(headers, body, signal),
        isRefused: (answer) => "status" in answer && answer.status === UNAUTHORIZED,
      });
      return "status" in result ? this.#meaningOf(result, samples) : await this.#failed(result.error, signal);
    } catch (error) {
      return answerWithoutCredentials(error, formatUrl(this.#options.url));
    }
  }

  /**
   * Reads the certificates again, for new connections. Rejects if they cannot be used; the old ones then stay in use.
   */
  refresh(): Promise<void> {
    return this.#connections.refresh();
  }

  /** Closes the connections as soon as their requests have ended. */
  close(): void {
    this.#connections.close();
  }

  #send(headers: RequestHeaders, body: Uint8Array, signal: AbortSignal): Promise<PushAnswer | NoAnswer> {
    return this.#connections.use(async (agent) => {
      for (;;) {
        const result = await postOnce(this.#connections.route, body, { agent, headers, signal });
        // `isStale`: the server closed an idle connection while the request was being sent, so the request is sent
        // again on another connection.
        if ("status" in result || !result.isStale || signal.aborted) return result;
      }
    });
  }

  #meaningOf(answer: PushAnswer, samples: number): Answer {
    const { protocol, settings } = this.#options;
    const { status } = answer;
    const wantsTls = status === 400 ? adviceOnAnswer(answer.body.toString(), this.#approach) : undefined;
    const reason = wantsTls ?? this.#reasonOf(answer);
    const failure = { status: String(status), error: `${this.#where}: ${describeStatus(status, reason)}` };
    if (status >= 200 && status < 300) {
      if (protocol.isOwn(answer)) return { kind: "delivered", ...protocol.accepted(answer, samples) };
      return { kind: "hold", ...failure };
    }
    if (wantsTls !== undefined) return { kind: "hold", ...failure };
    const kind = meaningOfHttp(status);
    const delayMs = retryAfterMs(answer.retryAfter, settings.clock.nowMs());
    const isTooLarge = status === 413 || (kind === "split" && saysTooLarge(reason));
    return { kind, ...failure, ...(delayMs > 0 ? { delayMs } : {}), ...(isTooLarge ? { isTooLarge } : {}) };
  }

  /** Returns why the request was not accepted, with the peer's words if its answer gives a reason. */
  #reasonOf(answer: PushAnswer): string {
    const { status, contentType, location } = answer;
    if (status >= 300 && status < 400)
      return `redirects are not followed; this one leads to "${toLogText(location)}"`;
    const reason = this.#options.protocol.reasonOf(answer);
    if (status >= 300) return reason;
    const why = this.#options.protocol.whyNotOwn?.(answer);
    if (why !== undefined) return why;
    const said = toLogText(answer.body.toString()).slice(0, FIRST_WORDS_CHARS);
    return `an answer of type "${contentType}" is not the receiver's; it begins "${said}"`;
  }

  async #failed(error: Error, signal: AbortSignal): Promise<Answer> {
    if (isBrokenOff(signal))
      return { kind: "busy", status: "shutdown", error: `${this.#where}: ${BROKEN_OFF}` };
    if (signal.aborted) {
      const text = `${this.#where}: no answer within ${this.#options.timeoutMs} ms`;
      return { kind: "busy", status: "timeout", error: text };
    }
    if (error instanceof ProxyError) return failedAtProxy(error, this.#options.url);
    const { code = error.name } = error as NodeJS.ErrnoException;
    const advice = await this.#failures.explain(error, { address: this.#connections.route.address, signal });
    return { kind: "busy", status: code, error: `${this.#where}: ${errorText(error)}${advice}` };
  }
}

function failedAtProxy({ status, message }: ProxyError, url: PushUrl): Answer {
  const kind = status === PROXY_AUTHENTICATION_REQUIRED ? "hold" : "busy";
  return {
    kind,
    status: status === undefined ? "proxy" : String(status),
    error: `${formatUrl(url)}: ${message}`,
  };
}

/**
 * Makes a client and reads the certificates that the config names. Rejects if they cannot be used. Opens no
 * connection yet.
 */
export async function connectHttp(options: HttpPushOptions): Promise<HttpPushClient> {
  const { url, config, settings } = options;
  const connections = new HttpConnections({ url, config, owner: { kind: "exporter", settings } });
  await connections.open();
  const { proxy } = connections.route;
  if (proxy !== undefined)
    settings.logger.info({ endpoint: formatUrl(url), proxy: proxy.address }, "Requests go through a proxy.");
  return new HttpPushClient(options, connections);
}

const GO_ARCH: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

/**
 * Returns the value of the header User-Agent in the Collector's form, `name/version (os/arch)`, with Go's names of
 * architectures.
 */
function userAgent({ command, version }: BuildInfo): string {
  return `${command}/${version} (${platform()}/${GO_ARCH[arch()] ?? arch()})`;
}
