import { join } from "node:path";
import type { Clock } from "../../clock/clock.ts";
import { SOCKET_NAME } from "./readiness.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Lanes } from "./schedule.ts";
import type { Asked, Scraper } from "./scrape.ts";
import type { Visits } from "./visits.ts";

/** However many ask for a shim's page by name, it is asked no more often. */
const ASK_AGAIN_MS = 1_000;

/** Asks shims by name what somebody wants to see, under the rules of a scrape. */
export class Questions {
  readonly #clock: Clock;
  readonly #lanes: Lanes<Scraper>;
  readonly #visits: Visits;

  constructor(clock: Clock, lanes: Lanes<Scraper>, visits: Visits) {
    this.#clock = clock;
    this.#lanes = lanes;
    this.#visits = visits;
  }

  /** The answer, at most a second old. Rejects where the sandbox may not be asked or does not answer. */
  ask(sandbox: Sandbox, what: Asked): Promise<Buffer> {
    let answer = sandbox.asked.get(what);
    if (answer === undefined) {
      answer = sandbox.inTurn(() => this.#ask(sandbox, what));
      sandbox.asked.set(what, answer);
      const forget = (): void => {
        this.#clock.after(ASK_AGAIN_MS, () => sandbox.asked.delete(what));
      };
      answer.then(forget, forget);
    }
    return answer;
  }

  async #ask(sandbox: Sandbox, what: Asked): Promise<Buffer> {
    const { state, breakOffs, reason } = sandbox.standing;
    if (breakOffs > 0) throw new Error(`the sandbox is left alone after it failed: ${reason}`);
    return await this.#lanes.run(async (scraper) => {
      const readiness = this.#visits.readiness(sandbox);
      if (readiness === undefined) throw new Error("the sandbox has ended");
      if (readiness.state !== "ready")
        throw new Error(`the sandbox is ${readiness.state}: ${readiness.reason}`);
      const outcome = await scraper.scrape(join(sandbox.found.directory, SOCKET_NAME), sandbox.ending, {
        asked: what,
        maySend: () => sandbox.readiness.isStillReady(),
      });
      try {
        if (outcome.ok) return Buffer.from(outcome.page.subarray(0, outcome.length));
        const { fault, text } = outcome;
        if (state === "up") this.#visits.settle(sandbox, { kind: "failed", fault, text });
        throw new Error(`the shim gave no answer: ${text}`);
      } finally {
        scraper.release();
      }
    });
  }
}
