// SPDX-License-Identifier: Apache-2.0
import type { SimulatedSandbox } from "../../src/simulator/simulated_sandbox.ts";
import { expectedLines, expectedTypes, type Identity, type PageLine, type ReadPage } from "./page_checks.ts";

const LOOK_MS = 10;
/** Scrapes go on while a page is judged, so that several pages of a shim are kept. */
const KEPT_PAGES = 100;
const PULLS_MAX = 20;
const OWN = /^kata_collector_sandbox_/;

/** Records the pages of the honest shims, and compares the agent's page with them. */
export class HonestPages {
  readonly #followed: readonly Followed[];
  readonly #timer: NodeJS.Timeout;

  constructor(sandboxes: readonly SimulatedSandbox[]) {
    this.#followed = sandboxes.map((sandbox) => new Followed(sandbox));
    this.#timer = setInterval(() => {
      for (const followed of this.#followed) followed.look();
    }, LOOK_MS);
  }

  get identities(): Identity[] {
    return this.#followed.map(({ identity }) => identity);
  }

  /** Returns the types that the families of the honest shims must have on the agent's page. */
  types(): Map<string, string> {
    return new Map(this.#followed.flatMap((followed) => [...expectedTypes(followed.lastPage)]));
  }

  /**
   * Returns the faults in the honest sandboxes' lines. Calls `pullAgain` for a newer page where the shim's page that this
   * one shows was not recorded.
   */
  async faultsOf(page: ReadPage, pullAgain: () => Promise<ReadPage>): Promise<string[]> {
    const faults: string[] = [];
    for (const followed of this.#followed) {
      let found = followed.faultsOf(page);
      for (let pulls = 0; found === undefined && pulls < PULLS_MAX; pulls++)
        found = followed.faultsOf(await pullAgain());
      faults.push(
        ...(found ?? [`the numbers of ${followed.identity.sandbox_id} are of no page that was seen`]),
      );
    }
    return faults;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

class Followed {
  readonly identity: Identity;
  readonly #sandbox: SimulatedSandbox;
  /** The latest few pages, by the number of the scrape. */
  readonly #pages = new Map<number, string>();

  constructor(sandbox: SimulatedSandbox) {
    this.#sandbox = sandbox;
    const { uid, name, namespace } = sandbox.pod;
    this.identity = { sandbox_id: sandbox.id, cri_uid: uid, cri_name: name, cri_namespace: namespace };
  }

  look(): void {
    const { shim } = this.#sandbox;
    if (shim?.lastPage === undefined || this.#pages.has(shim.scrapes)) return;
    this.#pages.set(shim.scrapes, shim.lastPage.toString("latin1"));
    const [oldest] = this.#pages.keys();
    if (this.#pages.size > KEPT_PAGES && oldest !== undefined) this.#pages.delete(oldest);
  }

  get lastPage(): string {
    this.look();
    return [...this.#pages.values()].at(-1) ?? "";
  }

  /** Returns the faults; undefined where the values are of no recorded page, but a page was not recorded. */
  faultsOf({ lines }: ReadPage): string[] | undefined {
    this.look();
    const mine = lines.filter(({ labels }) => labels.get("sandbox_id") === this.identity.sandbox_id);
    const shown = mine.filter(({ name }) => !OWN.test(name));
    const [anyPage = ""] = this.#pages.values();
    const wanted = expectedLines(anyPage, this.identity);
    const faults = [...this.#faultsOfSeries(shown, wanted), ...this.#faultsOfOwn(mine, wanted.size)];
    if (faults.length > 0) return faults;
    const isOf = (page: string): boolean => {
      const expected = expectedLines(page, this.identity);
      return shown.every(({ series, value }) => Object.is(expected.get(series), value));
    };
    if ([...this.#pages.values()].reverse().some(isOf)) return [];
    const [first = 0] = this.#pages.keys();
    const sawAll = this.#pages.size === (this.#sandbox.shim?.scrapes ?? 0) - first + 1;
    return sawAll ? [`the numbers of ${this.identity.sandbox_id} are of none of its pages`] : undefined;
  }

  #faultsOfSeries(shown: readonly PageLine[], wanted: ReadonlyMap<string, number>): string[] {
    const got = new Set(shown.map(({ series }) => series));
    const missing = [...wanted.keys()].filter((series) => !got.has(series));
    const extra = shown.filter(({ series }) => !wanted.has(series));
    return [
      ...missing.map((series) => `missing of an honest sandbox: ${series}`),
      ...extra.map(({ series }) => `not of the honest sandbox: ${series}`),
      ...(got.size === shown.length ? [] : ["a series of an honest sandbox twice"]),
    ];
  }

  #faultsOfOwn(mine: readonly PageLine[], samples: number): string[] {
    const own = new Map(
      mine.filter(({ name }) => OWN.test(name)).map(({ name, value }) => [name.replace(OWN, ""), value]),
    );
    const want: Readonly<Record<string, number>> = {
      up: 1,
      scrape_samples: samples,
      partial: 0,
      skipped_lines: 0,
      bad_lines: 0,
      state: 1,
    };
    return Object.entries(want)
      .filter(([name, value]) => own.get(name) !== value)
      .map(([name, value]) => `${name} of an honest sandbox is ${own.get(name)}, not ${value}`);
  }
}
