// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import { finished } from "node:stream/promises";
import type { Extension, Settings } from "../../component/component.ts";
import { LISTENERS, type Share } from "../../http_server/listeners.ts";
import { METRICS_PAGES, type MetricsPage } from "../../http_server/metrics_page.ts";
import { answerBody, answerText, type Route } from "../../http_server/server.ts";
import type { Serving } from "../../http_server/serving.ts";
import { SANDBOX_SOURCES, type SandboxSource, type SandboxStatus } from "../../kata/sandboxes.ts";
import type { ListenAddress } from "../../options/values.ts";
import { idsHtml, idsText, indexHtml, indexText } from "./answers.ts";
import { STYLE_HASH } from "./html.ts";
import { MonitorFamilies } from "./monitor_families.ts";
import { statesHtml, statesText } from "./sandbox_states.ts";
import { ShimPages } from "./shim_pages.ts";

/** The address of the endpoints, and the exporter whose page they serve. */
export interface KataMonitorApiConfig {
  readonly address: ListenAddress;
  readonly serving: Serving;
  /** The id of the exporter whose page is served; undefined for the first one that offers a page. */
  readonly exporter: string | undefined;
  /** Whether clients may get the bytes that shims send, without any check of them. */
  readonly rawPages: boolean;
}

/** Prefixes of `filter_family` that are used; further ones are ignored. */
const PREFIXES_MAX = 100;
/** Requests for the page of a single sandbox that are answered at one time. Further ones get 503. */
const PAGES_MAX = 8;
/** Requests for raw pages that wait for a scrape or are being answered at one time. Further ones get 503. */
const RAW_PAGES_MAX = 8;
const NO_SANDBOX = "there is no such sandbox";

/** Serves kata-monitor's endpoints and its families about itself. */
export class KataMonitorApi implements Extension {
  readonly #config: KataMonitorApiConfig;
  readonly #settings: Settings;
  readonly #families: MonitorFamilies;
  readonly #share: Share;
  readonly #shimPages: ShimPages;
  /** How many requests for the page of a single sandbox are being answered. */
  #pages = 0;
  /** How many requests for raw pages wait for a scrape or are being answered. */
  #rawPages = 0;

  constructor(config: KataMonitorApiConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    const { clock, host, interner } = settings;
    this.#families = new MonitorFamilies(interner, clock.nowMs());
    this.#shimPages = new ShimPages(clock);
    this.#share = host.single(LISTENERS).share({
      owner: { kind: "extension", settings },
      address: config.address,
      serving: config.serving,
      routes: new Map<string, Route>([
        ["/", async (request, response) => send(request, response, { text: indexText, html: indexHtml })],
        ["/metrics", (request, response, signal) => this.#metrics(request, response, signal)],
        ["/sandboxes", async (request, response) => this.#sandboxes(request, response)],
        ["/agent-url", (request, response) => this.#agentUrl(request, response)],
      ]),
      // An exporter at the same address serves `/metrics` with rank 0. The rank 1 makes this route win, which adds
      // kata-monitor's families to the exporter's page.
      rank: 1,
    });
  }

  /** The address of the extension's listener, with the real port where the config says 0. */
  get address(): ListenAddress {
    return this.#share.address;
  }

  async start(): Promise<void> {
    await this.#share.listen();
    const { endpoint } = this.#share;
    this.#settings.logger.info({ endpoint }, "Serving kata-monitor's endpoints.");
  }

  refresh(): Promise<void> {
    return this.#share.refresh();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    await this.#share.close(deadline);
  }

  async #metrics(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { clock } = this.#settings;
    const startMs = clock.monotonicMs();
    let failed = true;
    this.#families.begin();
    try {
      const query = queryOf(request);
      const id = query.get("sandbox") ?? "";
      if (id === "") await this.#page(request, response, signal, prefixesOf(query));
      else if (query.has("raw")) await this.#rawPage(response, id);
      else await this.#lastScrape(request, response, { id, signal });
      failed = false;
    } finally {
      this.#families.end(clock.monotonicMs() - startMs, failed);
    }
  }

  async #page(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
    prefixes: readonly string[],
  ): Promise<void> {
    const page = this.#exporterPage();
    if (page === undefined)
      return answerText(response, 503, "there is no exporter whose page could be served");
    // kata-monitor does not add its own families to a page of chosen families.
    if (prefixes.length > 0) return await page.answer(request, response, signal, { prefixes });
    const running = new Set(
      this.#statuses()
        .filter(({ hasShim }) => hasShim)
        .map(({ id }) => id),
    );
    const own = [this.#families.reading(running.size, this.#settings.clock.nowMs())];
    await page.answer(request, response, signal, { own });
  }

  #sandboxes(request: IncomingMessage, response: ServerResponse): void {
    const sandboxes = this.#statuses();
    const running = sandboxes.filter(({ hasShim }) => hasShim);
    const nowMs = this.#settings.clock.nowMs();
    const text = (): string => statesText(sandboxes, nowMs);
    const html = (): string => statesHtml(sandboxes, nowMs);
    if (queryOf(request).has("verbose")) send(request, response, { text, html });
    else send(request, response, { text: () => idsText(running), html: () => idsHtml(running) });
  }

  async #agentUrl(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = queryOf(request).get("sandbox") ?? "";
    if (id === "") return answerText(response, 400, "which sandbox? /agent-url?sandbox=ID");
    const url = this.#ofSandbox((source) => source.agentUrl(id));
    if (url === undefined) return answerText(response, 400, NO_SANDBOX);
    await url.then(
      (text) => answerText(response, 200, text),
      (error: Error) => answerText(response, 400, error.message),
    );
  }

  /** Answers with one sandbox's page, written from the reading of its last scrape, so with checked samples only. */
  async #lastScrape(
    { method }: IncomingMessage,
    response: ServerResponse,
    { id, signal }: { readonly id: string; readonly signal: AbortSignal },
  ): Promise<void> {
    const scrape = this.#ofSandbox((source) => source.lastScrape(id));
    if (scrape === undefined) return answerText(response, 500, NO_SANDBOX);
    if (!scrape.ok) return answerText(response, 500, scrape.reason);
    if (this.#pages >= PAGES_MAX) return tooMany(response, `${PAGES_MAX} pages of one sandbox`);
    this.#pages++;
    try {
      setAge(response, scrape.ageMs);
      await this.#shimPages.answer(response, scrape.reading, { signal, isHead: method === "HEAD" });
    } finally {
      this.#pages--;
    }
  }

  /**
   * Answers with the bytes of a scrape as the shim sent them, or with 403 where the config does not allow raw pages.
   */
  async #rawPage(response: ServerResponse, id: string): Promise<void> {
    if (!this.#config.rawPages)
      return answerText(response, 403, `raw pages are off; set extensions::${this.#settings.id}::raw_pages`);
    if (this.#rawPages >= RAW_PAGES_MAX) return tooMany(response, `${RAW_PAGES_MAX} raw pages`);
    this.#rawPages++;
    try {
      const page = await this.#ofSandbox((source) => source.rawPage(id));
      if (page === undefined) return answerText(response, 500, NO_SANDBOX);
      setAge(response, page.ageMs);
      answerBody(response, 200, { type: "text/plain", body: page.bytes });
      await finished(response);
    } catch (error) {
      if (!response.headersSent) answerText(response, 500, (error as Error).message);
    } finally {
      this.#rawPages--;
    }
  }

  #exporterPage(): MetricsPage | undefined {
    const { exporter } = this.#config;
    const pages = this.#settings.host.single(METRICS_PAGES);
    if (exporter !== undefined) return pages.get(exporter);
    const [first] = pages.all();
    return first?.[1];
  }

  /**
   * Asks the sources in turn, until one knows the sandbox. An id is only compared with known ids; it never becomes a
   * path.
   */
  #ofSandbox<T>(ask: (source: SandboxSource) => T | undefined): T | undefined {
    for (const source of this.#sources()) {
      const answer = ask(source);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  #sources(): SandboxSource[] {
    return Array.from(this.#settings.host.single(SANDBOX_SOURCES).all(), ([, source]) => source);
  }

  #statuses(): SandboxStatus[] {
    return this.#sources().flatMap((source) => source.sandboxes());
  }
}

/** Says in the header Age how old the metrics of a page are, in whole seconds (RFC 9111). */
function setAge(response: ServerResponse, ageMs: number): void {
  response.setHeader("Age", Math.floor(ageMs / 1_000));
}

function tooMany(response: ServerResponse, what: string): void {
  response.setHeader("Retry-After", "1");
  answerText(response, 503, `${what} at one time are the limit`);
}

function queryOf({ url = "" }: IncomingMessage): URLSearchParams {
  const mark = url.indexOf("?");
  return new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
}

function prefixesOf(query: URLSearchParams): readonly string[] {
  const prefixes = (query.get("filter_family") ?? "").split(",", PREFIXES_MAX);
  return prefixes.filter((prefix) => prefix !== "");
}

/**
 * Answers browsers with HTML and all other clients with text. Like kata-monitor, recognizes browsers by the header
 * Accept.
 */
function send(
  { headers }: IncomingMessage,
  response: ServerResponse,
  body: { text(): string; html(): string },
): void {
  const wantsHtml = headers.accept?.includes("text/html") ?? false;
  response.setHeader("Vary", "Accept");
  answerBody(response, 200, {
    type: wantsHtml ? "text/html" : "text/plain",
    styleHash: STYLE_HASH,
    body: Buffer.from(wantsHtml ? body.html() : body.text()),
  });
}
