// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { Settings } from "../../component/component.ts";
import { WITNESSES } from "../../kata/witnesses.ts";
import { SOCKET_NAME } from "./discovery/found_sandbox.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";
import { describeSandbox } from "./sandbox/sandbox_name.ts";
import type { Lanes } from "./scraping/lanes.ts";
import { isCutOff, type Scraper } from "./scraping/scrape.ts";
import type { Visits } from "./visits.ts";

/**
 * The longest accepted answer to `/agent-url`, in bytes; a longer one is refused. Shims answer with about 100 bytes.
 */
const URL_BYTES_MAX = 4_096;

/**
 * A request to a shim for the URL of its guest's agent. All callers of `AgentUrls.ask` share it while it has no result,
 * and until an interval has passed since the shim was asked.
 */
interface Question {
  readonly answer: Promise<string>;
  /** When the shim was asked, by the monotonic clock; undefined before that, and if the sandbox may not be asked. */
  askedMs: number | undefined;
  isOver: boolean;
}

/** Asks shims where their guests' agents listen. The rules of a scrape apply, and a shim is asked at most once per interval. */
export class AgentUrls {
  readonly #settings: Settings;
  readonly #intervalMs: number;
  readonly #lanes: Lanes<Scraper>;
  readonly #visits: Visits;
  readonly #questions = new WeakMap<Sandbox, Question>();

  constructor(
    settings: Settings,
    { intervalMs, lanes, visits }: { intervalMs: number; lanes: Lanes<Scraper>; visits: Visits },
  ) {
    this.#settings = settings;
    this.#intervalMs = intervalMs;
    this.#lanes = lanes;
    this.#visits = visits;
  }

  /**
   * Resolves with the URL of the guest's agent, from an answer that is at most an interval old. Rejects if the sandbox
   * may not be asked, or does not answer. A sandbox that did not answer is not asked again for an interval.
   */
  ask(sandbox: Sandbox): Promise<string> {
    const known = this.#questions.get(sandbox);
    if (known !== undefined && this.#isValid(known)) return known.answer;
    const question: Question = {
      answer: sandbox.inTurn(() => this.#ask(sandbox, question)),
      askedMs: undefined,
      isOver: false,
    };
    const end = (): void => {
      question.isOver = true;
    };
    question.answer.then(end, end);
    this.#questions.set(sandbox, question);
    return question.answer;
  }

  /**
   * Returns whether a further caller gets this question's result: no result has come yet, or the shim was asked less
   * than an interval ago.
   */
  #isValid({ askedMs, isOver }: Question): boolean {
    if (!isOver) return true;
    return askedMs !== undefined && this.#settings.clock.monotonicMs() - askedMs < this.#intervalMs;
  }

  async #ask(sandbox: Sandbox, question: Question): Promise<string> {
    const { clock } = this.#settings;
    const { state, nextScrape, reason } = sandbox.condition;
    if (nextScrape !== undefined && nextScrape.monotonicMs > clock.monotonicMs())
      throw this.#refusal(
        sandbox,
        `it is left alone until ${new Date(nextScrape.unixMs).toISOString()}: ${reason}`,
      );
    return await this.#lanes.run(async (scraper) => {
      const readiness = this.#visits.readiness(sandbox);
      if (readiness === undefined) throw this.#refusal(sandbox, "it has ended");
      if (readiness.state !== "ready")
        throw this.#refusal(sandbox, `it is ${readiness.state}: ${readiness.reason}`);
      const path = join(sandbox.found.directory, SOCKET_NAME);
      question.askedMs = clock.monotonicMs();
      const outcome = await scraper.scrape(path, sandbox.ending, {
        asked: "agent-url",
        maySend: () => sandbox.readiness.isStillReady(),
      });
      try {
        if (outcome.ok && outcome.length > URL_BYTES_MAX)
          throw this.#refusal(sandbox, `its answer has more than ${URL_BYTES_MAX} bytes`);
        if (outcome.ok) return outcome.page.toString("latin1", 0, outcome.length).trimEnd();
        if (sandbox.ended) throw this.#refusal(sandbox, "it has ended");
        const { fault, text } = outcome;
        if (state === "up" || isCutOff(fault))
          this.#visits.applyFinding(sandbox, { kind: "failed", fault, text });
        throw this.#refusal(sandbox, text);
      } finally {
        scraper.release();
      }
    });
  }

  #refusal(sandbox: Sandbox, detail: string): Error {
    return new Error(
      `cannot ask ${describeSandbox(sandbox, this.#settings.host.single(WITNESSES))}: ${detail}`,
    );
  }
}
