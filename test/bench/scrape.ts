// SPDX-License-Identifier: Apache-2.0
import { open, readdir } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { systemClock } from "../../src/clock/clock.ts";
import { PageMemory } from "../../src/receivers/kata/scraping/page_buffer.ts";
import { Scraper } from "../../src/receivers/kata/scraping/scrape.ts";
import type { SampleRow } from "./main.ts";
import { withSimulatedNode } from "./simulated_node.ts";

const SANDBOXES = 250;
const CONCURRENCY = 16;
const ROUNDS = 10;
const PAGE_BYTES_MAX = 256 * 1024;

/** Gets one page and returns its length in bytes. */
type Get = (socketPath: string) => Promise<number>;

/** Measures the CPU time, user and system, of getting full-size Go pages over unix sockets, without serving or parsing. */
export async function benchScrape(): Promise<readonly SampleRow[]> {
  return await withSimulatedNode({ sandboxes: SANDBOXES }, async (dir) => {
    const root = join(dir, "run/vc/sbs");
    // A path below a temporary directory is longer than a socket address can hold.
    await using handle = await open(root, "r");
    const paths = (await readdir(root)).map((id) => `/proc/self/fd/${handle.fd}/${id}/shim-monitor.sock`);
    const samples = await countSamples(paths);
    return [
      await measure("our client", { paths, samples, get: ownClient }),
      await measure("node:http into a reused buffer", { paths, samples, get: nodeClient }),
    ];
  });
}

interface Work {
  readonly paths: readonly string[];
  readonly samples: number;
  /** Makes one of the clients that work at the same time. */
  get(): Get;
}

async function measure(name: string, { paths, samples, get: makeGet }: Work): Promise<SampleRow> {
  const clients = Array.from({ length: CONCURRENCY }, makeGet);
  const times: number[] = [];
  let bytes = 0;
  for (let round = 0; round < ROUNDS * 2; round++) {
    const before = process.cpuUsage();
    bytes = await getAll(paths, clients);
    const { user, system } = process.cpuUsage(before);
    // The first rounds warm up the code.
    if (round >= ROUNDS) times.push((user + system) / 1_000);
  }
  const ms = times.sort((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN;
  return { name, nsPerSample: (ms * 1e6) / samples, mbPerS: bytes / 1e3 / ms };
}

/** Each client takes the next path until none is left. Returns the bytes of all pages. */
async function getAll(paths: readonly string[], clients: readonly Get[]): Promise<number> {
  const left = [...paths];
  let bytes = 0;
  const work = async (client: Get): Promise<void> => {
    for (let path = left.pop(); path !== undefined; path = left.pop()) {
      const length = await client(path);
      bytes += length;
    }
  };
  await Promise.all(clients.map(work));
  return bytes;
}

function ownScraper(): Scraper {
  const memory = new PageMemory(PAGE_BYTES_MAX * 4);
  const limits = { headerBytesMax: 16 * 1024, bodyBytesMax: PAGE_BYTES_MAX };
  return new Scraper({ clock: systemClock, timeoutMs: 10_000, memory, ...limits });
}

function ownClient(): Get {
  const scraper = ownScraper();
  const never = new AbortController().signal;
  return async (path) => {
    const outcome = await scraper.scrape(path, never);
    if (!outcome.ok) throw new Error(`cannot scrape: ${outcome.text}`);
    return outcome.length;
  };
}

function nodeClient(): Get {
  const buffer = Buffer.allocUnsafeSlow(PAGE_BYTES_MAX);
  return (socketPath) =>
    new Promise((resolve, reject) => {
      let length = 0;
      const headers = { Connection: "close" };
      const request = get({ socketPath, path: "/metrics", agent: false, headers }, (response) => {
        response.on("data", (chunk: Buffer) => {
          length += chunk.copy(buffer, length);
        });
        response.on("end", () => resolve(length));
      });
      request.setTimeout(10_000, () => request.destroy(new Error("timed out")));
      request.on("error", reject);
    });
}

/** Returns the number of samples of all pages together. */
async function countSamples(paths: readonly string[]): Promise<number> {
  const scraper = ownScraper();
  let samples = 0;
  for (const path of paths) {
    const outcome = await scraper.scrape(path, new AbortController().signal);
    if (!outcome.ok) throw new Error(`cannot scrape: ${outcome.text}`);
    samples += outcome.page.toString("latin1", 0, outcome.length).match(/^[^#\n]/gm)?.length ?? 0;
  }
  return samples;
}
