// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Extension, Settings } from "../../component/component.ts";
import { LISTENERS, type Share } from "../../http_server/listeners.ts";
import { answerBody, type Route } from "../../http_server/server.ts";
import type { Serving } from "../../http_server/serving.ts";
import { formatDuration, type ListenAddress } from "../../options/values.ts";
import { visible } from "../../text/visible.ts";
import { Health, type HealthRules } from "./health.ts";
import { statusJson } from "./status_json.ts";

/** Where health is served, and what counts as healthy. */
export interface HealthCheckConfig {
  readonly address: ListenAddress;
  readonly serving: Serving;
  /** The path of the short answer, which says only whether the agent is healthy. */
  readonly path: string;
  /** The path of the state of all components. */
  readonly statusPath: string;
  readonly rules: HealthRules;
  /** Texts that replace the whole short answer; where one is undefined, the answer is JSON. */
  readonly body: { readonly healthy: string | undefined; readonly unhealthy: string | undefined };
  /** Whether `POST /-/reload` reloads the configuration. */
  readonly reload: boolean;
}

interface ShortAnswer {
  readonly good: boolean;
  readonly status: string;
  /** Why the answer is not good; left out at `path`, whose answer gives no reasons. */
  readonly reasons?: readonly string[];
}

/** Serves the health of the agent and its components over HTTP. */
export class HealthCheck implements Extension {
  readonly #config: HealthCheckConfig;
  readonly #settings: Settings;
  readonly #health: Health;
  readonly #share: Share;
  readonly #upSinceMs: number;
  /** The same moment by the monotonic clock, since the wall clock may be set back. */
  readonly #startedMs: number;
  readonly #gone = Promise.withResolvers<undefined>();

  constructor(config: HealthCheckConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    const { clock, host } = settings;
    this.#upSinceMs = clock.nowMs();
    this.#startedMs = clock.monotonicMs();
    this.#health = new Health(host.statuses, config.rules, () => clock.nowMs());
    const health = (answer: (request: IncomingMessage, response: ServerResponse) => void): Route => ({
      isHealth: true,
      answer: async (request, response) => answer(request, response),
    });
    const routes = new Map<string, Route>([
      [config.statusPath, health((request, response) => this.#status(request, response))],
      ["/live", health((_request, response) => this.#live(response))],
      ["/ready", health((request, response) => this.#ready(request, response))],
      [config.path, health((_request, response) => this.#available(response))],
    ]);
    if (config.reload)
      routes.set("/-/reload", { method: "POST", answer: (_request, response) => this.#reload(response) });
    this.#share = host.single(LISTENERS).share({
      owner: { kind: "extension", settings },
      address: config.address,
      serving: config.serving,
      routes,
      rank: 0,
    });
  }

  /** The address of the extension's listener, with the real port where the config says 0. */
  get address(): ListenAddress {
    return this.#share.address;
  }

  async start(): Promise<void> {
    await this.#share.listen();
    this.#settings.logger.info({ endpoint: this.#share.endpoint }, "Serving health checks.");
  }

  refresh(): Promise<void> {
    return this.#share.refresh();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.#gone.resolve(undefined);
    await this.#share.close(deadline);
  }

  #available(response: ServerResponse): void {
    const { body } = this.#config;
    const healthy = this.#health.isHealthy;
    const own = healthy ? body.healthy : body.unhealthy;
    if (own !== undefined) {
      answerBody(response, healthy ? 200 : 503, { type: "text/plain", body: Buffer.from(own) });
      return;
    }
    this.#short(response, { good: healthy, status: healthy ? "Server available" : "Server not available" });
  }

  /**
   * Answers `/live`. Any answer shows that the event loop runs. It is 503 only where a component needs a restart of the
   * agent.
   */
  #live(response: ServerResponse): void {
    const reasons = this.#health.restartReasons();
    const good = reasons.length === 0;
    this.#short(response, { good, status: good ? "alive" : "needs a restart", reasons });
  }

  #ready(request: IncomingMessage, response: ServerResponse): void {
    const reasons = this.#health.unreadyReasons(queryOf(request).has("strict"));
    const good = reasons.length === 0;
    this.#short(response, { good, status: good ? "ready" : "not ready", reasons });
  }

  #short(response: ServerResponse, { good, status, reasons = [] }: ShortAnswer): void {
    const upMs = this.#settings.clock.monotonicMs() - this.#startedMs;
    const upSince = new Date(this.#upSinceMs).toISOString();
    const uptime = formatDuration(upMs);
    json(response, good ? 200 : 503, {
      status,
      ...(reasons.length === 0 ? {} : { reasons }),
      upSince,
      uptime,
    });
  }

  #status(request: IncomingMessage, response: ServerResponse): void {
    const query = queryOf(request);
    const tree = this.#health.tree(this.#settings.host.reload?.last);
    const pipeline = query.get("pipeline");
    const part = pipeline === null ? tree : tree.parts[`pipeline:${pipeline}`];
    if (part === undefined) {
      json(response, 404, { error: "there is no such pipeline" });
      return;
    }
    json(response, part.isHealthy ? 200 : 503, statusJson(part, { verbose: query.has("verbose") }));
  }

  async #reload(response: ServerResponse): Promise<void> {
    const { reload } = this.#settings.host;
    if (reload === undefined)
      return json(response, 503, { ok: false, faults: ["there is nothing to reload"] });
    // A reload that removes this listener waits for the listener's requests, so this request must not wait for such a
    // reload.
    const result = await Promise.race([reload.run(), this.#gone.promise]);
    if (result === undefined) return json(response, 202, { ok: true, faults: [], pending: true });
    json(response, result.ok ? 200 : 500, { ok: result.ok, faults: result.faults });
  }
}

function queryOf({ url = "" }: IncomingMessage): URLSearchParams {
  return new URLSearchParams(url.split("?", 2)[1] ?? "");
}

/**
 * Ends the response with the value as JSON. Hidden characters are escaped as JSON does, so the value stays the same.
 */
function json(response: ServerResponse, status: number, value: unknown): void {
  answerBody(response, status, {
    type: "application/json",
    body: Buffer.from(`${visible(JSON.stringify(value))}\n`),
  });
}
