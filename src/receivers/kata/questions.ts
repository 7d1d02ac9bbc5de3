import { join } from "node:path";
import type { Settings } from "../../component/component.ts";
import { SOCKET_NAME } from "./readiness.ts";
import { type Sandbox, sandboxNameOf } from "./sandbox.ts";
import type { Lanes } from "./schedule.ts";
import { type Asked, isCutOff, type Scraper } from "./scrape.ts";
import type { Visits } from "./visits.ts";

/** However many ask for a shim's page by name, it is asked no more often. */
const ASK_AGAIN_MS = 1_000;

/** Asks shims by name what somebody wants to see, under the rules of a scrape. */
export class Questions {
  readonly #settings: Settings;
  readonly #lanes: Lanes<Scraper>;
  readonly #visits: Visits;
  /** Answers of the last second, and those that are waited for. */
  readonly #answers = new WeakMap<Sandbox, Map<Asked, Promise<Buffer>>>();
  /** What cancels the timers by which answers are forgotten. */
  readonly #timers = new Set<() => void>();

  constructor(settings: Settings, lanes: Lanes<Scraper>, visits: Visits) {
    this.#settings = settings;
    this.#lanes = lanes;
    this.#visits = visits;
  }

  /** The answer, at most a second old. Rejects where the sandbox may not be asked or does not answer. */
  ask(sandbox: Sandbox, what: Asked): Promise<Buffer> {
    const answers = this.#answers.get(sandbox) ?? new Map<Asked, Promise<Buffer>>();
    this.#answers.set(sandbox, answers);
    const known = answers.get(what);
    if (known !== undefined) return known;
    const answer = sandbox.inTurn(() => this.#ask(sandbox, what));
    answers.set(what, answer);
    const forget = (): void => {
      if (sandbox.ended) return;
      const cancel = this.#settings.clock.after(ASK_AGAIN_MS, () => {
        this.#timers.delete(cancel);
        answers.delete(what);
      });
      this.#timers.add(cancel);
    };
    answer.then(forget, forget);
    return answer;
  }

  /** Leaves no timer behind. Questions under way end with their sandboxes. */
  close(): void {
    for (const cancel of this.#timers) cancel();
  }

  async #ask(sandbox: Sandbox, what: Asked): Promise<Buffer> {
    const { state, nextScrape, reason } = sandbox.standing;
    if (nextScrape !== undefined && nextScrape.monotonicMs > this.#settings.clock.monotonicMs())
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
      const outcome = await scraper.scrape(path, sandbox.ending, {
        asked: what,
        maySend: () => sandbox.readiness.isStillReady(),
      });
      try {
        if (outcome.ok) return Buffer.from(outcome.page.subarray(0, outcome.length));
        if (sandbox.ended) throw this.#refusal(sandbox, "it has ended");
        const { fault, text } = outcome;
        if (state === "up" || isCutOff(fault)) this.#visits.settle(sandbox, { kind: "failed", fault, text });
        throw this.#refusal(sandbox, text);
      } finally {
        scraper.release();
      }
    });
  }

  #refusal(sandbox: Sandbox, detail: string): Error {
    const { sandbox: id, pod } = sandboxNameOf(sandbox, this.#settings.host.witnesses);
    const who = pod === undefined ? `sandbox "${id}"` : `sandbox "${id}" of pod "${pod}"`;
    return new Error(`cannot ask ${who}: ${detail}`);
  }
}
