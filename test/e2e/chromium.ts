// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

/** The browser's program in Debian. */
export const CHROMIUM = "chromium";

/** A page that the browser has loaded. */
export interface BrowserPage {
  /** Returns the value of a JavaScript expression, evaluated outside of the page's own rules for scripts. */
  evaluate<T>(expression: string): Promise<T>;
  /** The messages on the page's console, and what the page threw or was not allowed to load. */
  readonly complaints: readonly string[];
  /** Returns a picture of the viewport as PNG. */
  screenshot(): Promise<Buffer>;
}

export interface Browser {
  open(url: string, viewport: { readonly width: number; readonly isDark?: boolean }): Promise<BrowserPage>;
  close(): Promise<void>;
}

const HEIGHT = 800;

/** Starts a browser with an empty profile, driven through a pipe; `args` may, for example, give host names addresses. */
export async function startBrowser(...more: readonly string[]): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), "chromium-"));
  const child = spawn(
    CHROMIUM,
    [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--remote-debugging-pipe",
      `--user-data-dir=${profile}`,
      ...more,
    ],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const protocol = new DevTools(child);
  return {
    async open(url, { width, isDark = false }) {
      const { targetId } = await protocol.call("Target.createTarget", { url: "about:blank" });
      const { sessionId } = await protocol.call("Target.attachToTarget", { targetId, flatten: true });
      const page = new Page(protocol, String(sessionId));
      await page.load(url, width, isDark);
      return page;
    },
    async close() {
      const ended = new Promise((resolve) => child.once("close", resolve));
      await protocol.call("Browser.close", {});
      await ended;
      await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

type Json = Readonly<Record<string, unknown>>;
type EventListener = (event: { readonly method: string; readonly params: Json }) => void;

/** Chromium's debugging protocol: JSON messages that end with a NUL each. */
class DevTools {
  readonly #requests: Writable;
  readonly #waiting = new Map<number, { resolve(result: Json): void; reject(error: Error): void }>();
  readonly #listeners = new Map<string, EventListener>();
  #lastId = 0;
  #text = "";
  #ended: Error | undefined;

  constructor(child: ChildProcess) {
    // `spawn` has made these pipes.
    this.#requests = child.stdio[3] as Writable;
    const answers = child.stdio[4] as Readable;
    answers.setEncoding("utf8");
    answers.on("data", (text: string) => this.#take(text));
    this.#requests.on("error", (error: Error) => this.#fail(error));
    child.on("error", (error) => this.#fail(error));
    child.on("close", (code) => this.#fail(new Error(`the browser ended with ${code}`)));
  }

  listen(sessionId: string, listener: EventListener): void {
    this.#listeners.set(sessionId, listener);
  }

  call(method: string, params: Json, sessionId?: string): Promise<Json> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      this.#waiting.set(id, { resolve, reject });
      this.#requests.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  #take(text: string): void {
    const messages = (this.#text + text).split("\0");
    this.#text = messages.pop() ?? "";
    for (const message of messages) this.#dispatch(JSON.parse(message));
  }

  #dispatch(message: Json): void {
    const { id, method, params, sessionId, result, error } = message;
    if (typeof method === "string") {
      this.#listeners.get(String(sessionId))?.({ method, params: params as Json });
      return;
    }
    const waiting = this.#waiting.get(Number(id));
    this.#waiting.delete(Number(id));
    if (error === undefined) waiting?.resolve(result as Json);
    else waiting?.reject(new Error(JSON.stringify(error)));
  }

  #fail(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

const COMPLAINTS = [
  "Log.entryAdded",
  "Runtime.consoleAPICalled",
  "Runtime.exceptionThrown",
  "Page.javascriptDialogOpening",
];

class Page implements BrowserPage {
  readonly complaints: string[] = [];
  readonly #protocol: DevTools;
  readonly #sessionId: string;

  constructor(protocol: DevTools, sessionId: string) {
    this.#protocol = protocol;
    this.#sessionId = sessionId;
  }

  async load(url: string, width: number, isDark: boolean): Promise<void> {
    const loaded = new Promise<void>((resolve) => {
      this.#protocol.listen(this.#sessionId, ({ method, params }) => {
        if (method === "Page.loadEventFired") resolve();
        if (COMPLAINTS.includes(method)) this.complaints.push(`${method} ${JSON.stringify(params)}`);
      });
    });
    for (const domain of ["Page", "Runtime", "Log"]) await this.#call(`${domain}.enable`, {});
    const features = [{ name: "prefers-color-scheme", value: isDark ? "dark" : "light" }];
    await this.#call("Emulation.setEmulatedMedia", { features });
    const mobile = width < HEIGHT;
    await this.#call("Emulation.setDeviceMetricsOverride", {
      width,
      height: HEIGHT,
      deviceScaleFactor: 1,
      mobile,
    });
    await this.#call("Page.navigate", { url });
    await loaded;
  }

  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.#call("Runtime.evaluate", { expression, returnByValue: true });
    if (answer["exceptionDetails"] !== undefined) throw new Error(JSON.stringify(answer["exceptionDetails"]));
    return (answer["result"] as { value: T }).value;
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.#call("Page.captureScreenshot", { format: "png" });
    return Buffer.from(String(data), "base64");
  }

  #call(method: string, params: Json): Promise<Json> {
    return this.#protocol.call(method, params, this.#sessionId);
  }
}
