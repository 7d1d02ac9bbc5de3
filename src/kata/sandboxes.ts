// SPDX-License-Identifier: Apache-2.0
import { OfferList, type Offers } from "../component/offers.ts";
import type { Single } from "../component/single.ts";
import type { Reading } from "../metrics/model.ts";

/** The pod that a sandbox belongs to, as the container runtime names it. */
export interface PodName {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
}

/** One sandbox as a receiver sees it now. Times are Unix milliseconds. */
export interface SandboxStatus {
  readonly id: string;
  readonly directory: string;
  /** The runtime whose shim it is: "go", "rs", or "unknown" until the sandbox has proved itself. */
  readonly runtime: string;
  /** Undefined until a container runtime has named it. */
  readonly pod: PodName | undefined;
  /** Whether a container runtime lists the sandbox; undefined where none answers. */
  readonly isListed: boolean | undefined;
  readonly state: string;
  /** Why it is in this state, as a word and in words. Both are empty where it is up and nothing is wrong. */
  readonly code: string;
  readonly reason: string;
  /** The time of the last change of its state or code. */
  readonly sinceMs: number;
  /** Whether a shim seems to run: its socket is there, and nobody has found it dead. */
  readonly hasShim: boolean;
  /** The time of its shim's last answer; undefined before the first. */
  readonly lastAnswerMs: number | undefined;
  /** The time of the next scrape, where scrapes are put off after failures; undefined otherwise. */
  readonly nextScrapeMs: number | undefined;
  /** The limits for which something of its last page was left out, by the names of the receiver's options. */
  readonly limits: readonly string[];
}

/** What the sandboxes of a receiver can be asked for. Nothing here changes a sandbox. */
export interface SandboxSource {
  sandboxes(): readonly SandboxStatus[];
  /** The paths under which the receiver looks for sandboxes; empty before it has looked at all of them once. */
  roots(): readonly string[];
  /** Whether the receiver has admitted the directory with this identity, as `identityOf` of receivers/kata writes it. */
  owns(identityKey: string): boolean;
  /** What the sandbox's last scrape gave, of which the shim hears nothing; undefined for a sandbox that is not there. */
  lastScrape(id: string): LastScrape | undefined;
  /**
   * The bytes that a scrape received: those of the next one, or of one within the last interval. No shim is asked for it.
   * Rejects, with words for the user, where the sandbox is not scraped or too many are waited for; undefined as above.
   */
  rawPage(id: string): Promise<RawPage> | undefined;
  /**
   * Where the guest's agent listens, as the shim says; it is asked at most once in an interval, in turn with scrapes.
   * Rejects, with words for the user, where it may not be asked or does not answer; undefined as above.
   */
  agentUrl(id: string): Promise<string> | undefined;
}

/** One scrape's numbers under the shim's own names, without what the agent says of the sandbox; or why there are none. */
export type LastScrape =
  | { readonly ok: true; readonly reading: Reading; readonly ageMs: number }
  | { readonly ok: false; readonly reason: string };

/** What a shim sent. The bytes are shared: nobody writes to them. */
export interface RawPage {
  readonly bytes: Buffer;
  readonly ageMs: number;
}

/** The receivers of the agent, by their ids, and what they can be asked for. */
export const SANDBOX_SOURCES: Single<Offers<SandboxSource>> = {
  name: "sandbox sources",
  make: () => new OfferList(),
};
