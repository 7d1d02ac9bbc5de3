// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../src/clock/clock.ts";
import { KataMonitorApi } from "../../src/extensions/kata_monitor_api/extension.ts";
import { factory } from "../../src/extensions/kata_monitor_api/factory.ts";
import { SANDBOX_SOURCES, type SandboxStatus } from "../../src/kata/sandboxes.ts";
import { createHost } from "../../src/pipeline/host.ts";
import { testSettings } from "../kit/component/settings.ts";
import { sandboxStatus } from "../kit/kata/sandbox_status.ts";
import { hasProgram, peerIsThere } from "../kit/peers.ts";
import { type Browser, CHROMIUM, startBrowser } from "./chromium.ts";

/** The widths of a small window on a desktop and of a phone. */
const WIDTHS = [1_280, 400];
const HOSTILE = `</td></table><script>document.title="run"</script><img src=x onerror='document.title="run"'>"><svg onload=document.title="run">`;

/** Serves the page of the sandboxes, and returns the URL without the path. */
async function serve(context: TestContext, sandboxes: readonly SandboxStatus[]): Promise<string> {
  const host = createHost();
  host.single(SANDBOX_SOURCES).add("kata", {
    sandboxes: () => sandboxes,
    roots: () => [],
    owns: () => false,
    lastScrape: () => undefined,
    rawPage: () => undefined,
    agentUrl: () => undefined,
  });
  const settings = testSettings({ id: "kata_monitor_api", clock: systemClock, host });
  const extension = factory.create(factory.schema.parse({ endpoint: "127.0.0.1:0" }), settings);
  assert.ok(extension instanceof KataMonitorApi);
  await extension.start();
  context.after(() => extension.shutdown(AbortSignal.abort()));
  assert.ok("port" in extension.address);
  return `http://127.0.0.1:${extension.address.port}`;
}

async function withBrowser(context: TestContext, play: (browser: Browser) => Promise<void>): Promise<void> {
  if (!peerIsThere(context, CHROMIUM, hasProgram(CHROMIUM))) return;
  const browser = await startBrowser();
  try {
    await play(browser);
  } finally {
    await browser.close();
  }
}

function idOf(index: number): string {
  return index.toString(16).padStart(64, "0");
}

/** Sandboxes in many states, with names and reasons that are very long or hostile. */
function sandboxes(): SandboxStatus[] {
  const longest = { uid: "u", namespace: "n".repeat(63), name: "p".repeat(253) };
  const sinceMs = Date.now() - 900_000;
  return [
    sandboxStatus(idOf(1), { pod: { uid: "u", namespace: "shop", name: "well" }, isListed: true, sinceMs }),
    sandboxStatus(idOf(2), { pod: longest, code: "slow", reason: "x".repeat(2_000), sinceMs }),
    sandboxStatus(idOf(3), {
      pod: { uid: HOSTILE, namespace: HOSTILE, name: HOSTILE },
      directory: `/run/${HOSTILE}/${idOf(3)}`,
      runtime: HOSTILE,
      code: HOSTILE,
      reason: HOSTILE,
      sinceMs,
    }),
    sandboxStatus(HOSTILE, { state: HOSTILE, nextScrapeMs: Date.now() + 60_000, sinceMs: 0 }),
    sandboxStatus(idOf(4), { state: "pending", code: "no_socket", reason: "no socket", sinceMs }),
    sandboxStatus(idOf(5), {
      pod: { uid: "u", namespace: "shop", name: "worst" },
      state: "unsafe",
      code: "unknown_hypervisor",
      reason: "a scrape ends its pod",
      sinceMs: -1,
    }),
  ];
}

/** Returns how many pixels are outside of the screen at the right, and the width of the screen, which grows on phones. */
const SIZES =
  "[document.documentElement.scrollWidth - document.documentElement.clientWidth, window.innerWidth]";

test("the pages fit a desktop and a phone, light and dark, in a real browser", (context) =>
  withBrowser(context, async (browser) => {
    const url = await serve(context, sandboxes());
    for (const path of ["/", "/sandboxes", "/sandboxes?verbose"]) {
      for (const width of WIDTHS) {
        for (const isDark of [false, true]) {
          const page = await browser.open(url + path, { width, isDark });
          assert.deepEqual(await page.evaluate(SIZES), [0, width], `${path} at ${width}`);
          const dark = await page.evaluate<string>("getComputedStyle(document.querySelector('h1')).color");
          assert.equal(dark !== "rgb(0, 0, 0)", isDark, `${path} at ${width}: ${dark}`);
        }
      }
    }
  }));

test("the worst sandbox is in the first row, and each cell has its text", (context) =>
  withBrowser(context, async (browser) => {
    const url = await serve(context, sandboxes());
    for (const width of WIDTHS) {
      const page = await browser.open(`${url}/sandboxes?verbose`, { width });
      const first = await page.evaluate<string>("document.querySelector('tbody').innerText");
      assert.match(first, /shop\/worst\s/);
      assert.match(first, /unsafe unknown_hypervisor\s/);
      assert.match(first, /a scrape ends its pod/);
      const rows = await page.evaluate<number>("document.querySelectorAll('tbody').length");
      assert.equal(rows, sandboxes().length, "nothing ends a row before its time");
    }
  }));

test("no name of a pod, a shim or a directory is executed or read as HTML", (context) =>
  withBrowser(context, async (browser) => {
    const url = await serve(context, sandboxes());
    for (const path of ["/sandboxes", "/sandboxes?verbose"]) {
      const page = await browser.open(url + path, { width: 1_280 });
      assert.equal(await page.evaluate("document.title"), "Sandboxes");
      assert.equal(await page.evaluate("document.querySelectorAll('script, img, svg').length"), 0);
      assert.ok(await page.evaluate(`document.body.innerText.includes(${JSON.stringify(HOSTILE)})`));
      // The browser asks for an icon, gets 404, and reports it.
      const complaints = page.complaints.filter((complaint) => !complaint.includes("/favicon.ico"));
      assert.deepEqual(complaints, [], "the policy had nothing to refuse, not even the style");
    }
  }));

test("the content security policy alone prevents scripts and loads", async (context) => {
  const url = await serve(context, []);
  const { headers } = await fetch(`${url}/sandboxes?verbose`, { headers: { accept: "text/html" } });
  assert.match(
    headers.get("content-security-policy") ?? "",
    /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='$/,
  );
});

test("the pages also fit with a thousand sandboxes", (context) =>
  withBrowser(context, async (browser) => {
    const many = Array.from({ length: 1_000 }, (_, index) =>
      sandboxStatus(idOf(index), {
        pod: { uid: "u", namespace: "shop", name: `checkout-8zjhx5dkk-${index}` },
        ...(index % 100 === 0 ? { state: "failing", code: "timeout", reason: "no answer within 10 s" } : {}),
      }),
    );
    const url = await serve(context, many);
    for (const width of WIDTHS) {
      const page = await browser.open(`${url}/sandboxes?verbose`, { width });
      assert.deepEqual(await page.evaluate(SIZES), [0, width]);
      assert.equal(await page.evaluate("document.querySelectorAll('tbody').length"), 1_000);
    }
  }));
