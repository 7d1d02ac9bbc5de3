import type { IncomingMessage, ServerResponse } from "node:http";
import type { Extension, Settings } from "../../component/component.ts";
import { formatDuration, type ListenAddress } from "../../config/values.ts";
import type { Claim } from "../../http/listeners.ts";
import { answerBody, describeAddress, type Route, type ServerLimits } from "../../http/server.ts";
import type { TlsConfig } from "../../http/tls.ts";
import { Health, type HealthRules } from "./health.ts";

export interface HealthCheckConfig {
  readonly address: ListenAddress;
  readonly tls: TlsConfig | undefined;
  readonly limits: ServerLimits | undefined;
  /** Where the short answer is. */
  readonly path: string;
  readonly statusPath: string;
  readonly rules: HealthRules;
  /** Texts in place of the short answer's own. */
  readonly body: { readonly healthy: string | undefined; readonly unhealthy: string | undefined };
  /** Whether `POST /-/reload` reloads the configuration. */
  readonly reload: boolean;
}

/** Says over HTTP how the agent fares. */
export class HealthCheck implements Extension {
  readonly #config: HealthCheckConfig;
  readonly #settings: Settings;
  readonly #health: Health;
  readonly #claim: Claim;
  readonly #upSinceMs: number;
  readonly #gone = Promise.withResolvers<undefined>();

  constructor(config: HealthCheckConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    const { clock, host } = settings;
    this.#upSinceMs = clock.nowMs();
    this.#health = new Health(host.statuses, config.rules, () => clock.nowMs());
    const routes = new Map<string, Route>([
      [config.statusPath, async (request, response) => this.#status(request, response)],
      ["/live", async (_request, response) => this.#short(response, true, "alive")],
      ["/ready", async (_request, response) => this.#ready(response)],
      [config.path, async (_request, response) => this.#available(response)],
    ]);
    if (config.reload)
      routes.set("/-/reload", { method: "POST", answer: (_request, response) => this.#reload(response) });
    this.#claim = host.listeners.claim({
      owner: { kind: "extension", settings },
      address: config.address,
      tls: config.tls,
      limits: config.limits,
      routes,
      rank: 0,
    });
  }

  /** Where it listens; the port is the real one where the config says 0. */
  get address(): ListenAddress {
    return this.#claim.address;
  }

  async start(): Promise<void> {
    await this.#claim.listen();
    this.#settings.logger.info({ endpoint: describeAddress(this.address) }, "Serving health checks.");
  }

  refresh(): Promise<void> {
    return this.#claim.refresh();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.#gone.resolve(undefined);
    await this.#claim.close(deadline);
  }

  #available(response: ServerResponse): void {
    const { body } = this.#config;
    const healthy = this.#health.isHealthy;
    const own = healthy ? body.healthy : body.unhealthy;
    if (own !== undefined) {
      answerBody(response, healthy ? 200 : 503, { type: "text/plain", body: Buffer.from(own) });
      return;
    }
    this.#short(response, healthy, healthy ? "Server available" : "Server not available");
  }

  #ready(response: ServerResponse): void {
    const ready = this.#health.isReady;
    this.#short(response, ready, ready ? "ready" : "not ready");
  }

  #short(response: ServerResponse, good: boolean, status: string): void {
    const upMs = this.#settings.clock.nowMs() - this.#upSinceMs;
    const upSince = new Date(this.#upSinceMs).toISOString();
    json(response, good ? 200 : 503, { status, upSince, uptime: formatDuration(upMs) });
  }

  #status({ url = "" }: IncomingMessage, response: ServerResponse): void {
    const query = new URLSearchParams(url.split("?", 2)[1] ?? "");
    const tree = this.#health.tree(this.#settings.host.reload?.last);
    const pipeline = query.get("pipeline");
    const part = pipeline === null ? tree : tree.components?.[`pipeline:${pipeline}`];
    if (part === undefined) {
      json(response, 404, { error: "there is no such pipeline" });
      return;
    }
    const { components: _, ...short } = part;
    json(response, part.healthy ? 200 : 503, query.has("verbose") ? part : short);
  }

  async #reload(response: ServerResponse): Promise<void> {
    const { reload } = this.#settings.host;
    if (reload === undefined)
      return json(response, 503, { ok: false, faults: ["there is nothing to reload"] });
    // A reload that takes this listener away waits for its requests, so this one must not wait for the reload.
    const result = await Promise.race([reload.run(), this.#gone.promise]);
    if (result === undefined) return json(response, 202, { ok: true, faults: [], pending: true });
    json(response, result.ok ? 200 : 500, { ok: result.ok, faults: result.faults });
  }
}

function json(response: ServerResponse, status: number, value: unknown): void {
  answerBody(response, status, { type: "application/json", body: Buffer.from(`${JSON.stringify(value)}\n`) });
}
