// SPDX-License-Identifier: Apache-2.0
import { OfferList, type Offers } from "../component/offers.ts";
import type { Single } from "../component/single.ts";
import type { Reading } from "../metrics/model.ts";

/** The pod of a sandbox, as the container runtime names it. */
export interface PodName {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
}

/** One sandbox as its receiver sees it now. Times are Unix milliseconds. */
export interface SandboxStatus {
  readonly id: string;
  readonly directory: string;
  /** The runtime of the sandbox's shim: "go", "rs", or "unknown" until files have proved it. */
  readonly runtime: string;
  /** The sandbox's pod; undefined until a container runtime has named it. */
  readonly pod: PodName | undefined;
  /** Whether a container runtime lists the sandbox; undefined if none answers. */
  readonly isListed: boolean | undefined;
  readonly state: string;
  /** The reason for the state, as a word for machines; empty if the sandbox is up and nothing is wrong. */
  readonly code: string;
  /** The reason for the state as a text for people. */
  readonly reason: string;
  /** When the sandbox's state or code last changed. */
  readonly sinceMs: number;
  /** Whether a shim seems to run: its socket exists, and has not refused the last connection. */
  readonly hasShim: boolean;
  /** When the sandbox's shim last answered; undefined before its first answer. */
  readonly lastAnswerMs: number | undefined;
  /** The time until which scrapes are put off after failures; undefined if they are not put off. */
  readonly nextScrapeMs: number | undefined;
  /**
   * The limits, by the names of the receiver's options, that the sandbox's last page exceeded, so that a part of it was
   * left out.
   */
  readonly limits: readonly string[];
}

/** Answers questions about the sandboxes of one receiver. No method changes a sandbox. */
export interface SandboxSource {
  /** Returns all sandboxes that the receiver follows now. */
  sandboxes(): readonly SandboxStatus[];
  /** Returns the paths under which the receiver looks for sandboxes; empty until it has scanned all of them once. */
  roots(): readonly string[];
  /**
   * Returns whether the receiver follows the directory with this identity: a `DirectoryIdentity`'s key, which only receivers
   * of Kata sandboxes write and compare.
   */
  owns(identityKey: string): boolean;
  /** Returns the result of the sandbox's last scrape, without a request to the shim; undefined if there is no such sandbox. */
  lastScrape(id: string): LastScrape | undefined;
  /**
   * Resolves with the bytes that the sandbox's next scrape receives, or with those that a scrape within the last
   * interval received. No request is made to the shim for this. Rejects, with a text for the user, if the sandbox is
   * not scraped or too many pages are requested at a time. Returns undefined if there is no such sandbox.
   */
  rawPage(id: string): Promise<RawPage> | undefined;
  /**
   * Resolves with the address on which the guest's agent listens, as the shim gives it. The shim is asked at most once
   * per interval, and never during a scrape. Rejects, with a text for the user, if the shim may not be asked or does
   * not answer. Returns undefined if there is no such sandbox.
   */
  agentUrl(id: string): Promise<string> | undefined;
}

/** The numbers of one scrape under the shim's own names, without the agent's own families; or why there are none. */
export type LastScrape =
  | { readonly ok: true; readonly reading: Reading; readonly ageMs: number }
  | { readonly ok: false; readonly reason: string };

/** A page as a shim sent it. The bytes are shared and must not be written to. */
export interface RawPage {
  readonly bytes: Buffer;
  readonly ageMs: number;
}

/** The key by which `host.single` gives the list of the agent's receivers of sandboxes. */
export const SANDBOX_SOURCES: Single<Offers<SandboxSource>> = {
  make: () => new OfferList(),
};
