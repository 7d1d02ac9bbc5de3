// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { LIFE_EVENTS, type LifeEvent, SandboxLife } from "../../../../test/kit/kata/sandbox_life.ts";
import { systemClock } from "../../../clock/clock.ts";
import { identityOf } from "../discovery/directory_identity.ts";
import { type FoundSandbox, isStillThere, SOCKET_NAME } from "../discovery/found_sandbox.ts";
import type { Root } from "../discovery/root.ts";
import { rootsSchema } from "../root_config.ts";
import { PageMemory } from "../scraping/page_buffer.ts";
import { Scraper } from "../scraping/scrape.ts";
import { ReadinessCheck } from "./readiness.ts";

/** A root as the config has it, and the runtime that follows; `at` is its path below a temporary directory. */
const ROOTS = [
  { at: "run/vc/sbs" },
  { at: "run/kata" },
  { at: "elsewhere/go", runtime: "go" },
  { at: "elsewhere/rs", runtime: "rs" },
  { at: "elsewhere/unknown" },
] as const;

/** The changes before a look, between look and connection, and between connection and request. */
type Step = readonly [before: LifeEvent, connecting: LifeEvent | "", asking: LifeEvent | "" | "restart"];

const event = fc.constantFrom(...LIFE_EVENTS);
const rarely = fc.option(event, { nil: "" as const, freq: 3 });
const step = fc.tuple(
  event,
  rarely,
  fc.oneof({ arbitrary: rarely, weight: 5 }, fc.constant("restart" as const)),
);

/** Visits a sandbox as the receiver does. */
class Visitor {
  readonly #root: Root;
  readonly #directory: string;
  readonly #scraper = new Scraper({
    clock: systemClock,
    timeoutMs: 60_000,
    headerBytesMax: 1_000,
    bodyBytesMax: 1_000,
    memory: new PageMemory(1_000_000),
  });
  #found: FoundSandbox | undefined;
  #readiness: ReadinessCheck | undefined;

  constructor(root: Root, directory: string) {
    this.#root = root;
    this.#directory = directory;
  }

  restart(): void {
    this.#found = undefined;
  }

  async visit(connecting: () => void, asking: () => void): Promise<void> {
    if (this.#found === undefined || !isStillThere(this.#found)) this.#find();
    const readiness = this.#readiness;
    if (this.#found === undefined || readiness?.look().state !== "ready") return;
    connecting();
    await this.#scraper.scrape(join(this.#directory, SOCKET_NAME), new AbortController().signal, {
      maySend: () => {
        asking();
        return readiness.isStillReady();
      },
    });
    this.#scraper.release();
  }

  #find(): void {
    const identity = identityOf(this.#directory);
    const [directory, root] = [this.#directory, this.#root];
    const id = basename(directory);
    this.#found = identity && { id, root, runtime: root.runtime, directory, identity };
    this.#readiness = this.#found && new ReadinessCheck(this.#found, { allowed: [], nowMs: Date.now });
  }
}

async function play(written: (typeof ROOTS)[number], steps: readonly Step[]): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "orders-"));
  const { at, ...runtime } = written;
  const [root = assert.fail()] = rootsSchema.parse([{ path: join(dir, at), ...runtime }]);
  mkdirSync(root.path, { recursive: true });
  const life = new SandboxLife({ root: root.path, id: "a", runtime: root.runtime });
  const visitor = new Visitor(root, life.directory);
  const happen = (event: LifeEvent | "" | "restart") => () => {
    if (event === "restart") visitor.restart();
    else if (event !== "") life.apply(event);
  };
  try {
    for (const [before, connecting, asking] of steps) {
      life.apply(before);
      await visitor.visit(happen(connecting), happen(asking));
      assert.equal(life.harm, 0, "an unsafe shim was asked");
    }
    life.finish();
    const asked = life.safeRequests;
    await visitor.visit(happen(""), happen(""));
    assert.equal(life.harm, 0, "an unsafe shim was asked");
    if (asked !== undefined) assert.equal(life.safeRequests, asked + 1, "a safe shim was not asked");
  } finally {
    rmSync(dir, { recursive: true, force: true });
    life.close();
  }
}

test("in whatever order the files change, an unsafe shim is never asked, and a safe one is asked once it has started", () =>
  fc.assert(
    fc.asyncProperty(fc.constantFrom(...ROOTS), fc.array(step, { minLength: 1, maxLength: 12 }), play),
    { numRuns: 1_000 },
  ));
