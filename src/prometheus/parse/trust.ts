// SPDX-License-Identifier: Apache-2.0
import type { Kind } from "../../metrics/model.ts";

/**
 * The author of a family on a shim's page. The shim writes about itself and its processes on the node, and is trusted.
 * The guest is not: it may write anything, also under the names of the shim's families.
 */
export type FamilyOrigin = "shim" | "guest";

/** The reason why no page can define a family. */
export interface Untrusted {
  readonly reason: string;
}

/** The reason in logs and counts for leaving out a family of the guest that has the name of one of the shim's. */
export const FORGED = "family of the host in the guest's part";

/** The rules on who may define which families of a page. */
export interface PageTrust {
  /**
   * Whether the shim's own families come first or last on the page. There they are in order of names. A family at
   * any other place that has the name of one of the shim's was written by the guest, and is left out.
   */
  readonly shimPart: "first" | "last";
  /** Returns who can define a family of this kind, which the agent calls by this name; or the reason why nobody can. */
  originOf(name: string, kind: Kind): FamilyOrigin | Untrusted;
}

/** The rules for pages that have one author: each family is accepted, under any name. */
export const TRUST_ALL: PageTrust = { shimPart: "first", originOf: () => "guest" };

/** Tells the shim's families from forged ones by their place on one page. */
export class ShimPart {
  readonly #place: PageTrust["shimPart"];
  #ended = false;
  #lastName = "";

  constructor({ shimPart }: PageTrust) {
    this.#place = shimPart;
  }

  /** Whether the shim's families come last. Then only the page's end shows which families are the shim's. */
  get isLast(): boolean {
    return this.#place === "last";
  }

  /**
   * Checks the page's next family, by its name on the page, and returns the result:
   * - "kept": the family is accepted;
   * - "forged": the guest wrote the family under a name of the shim's;
   * - "restarted": the family is accepted, but all families before it that seemed to be the shim's were forged.
   */
  meet(origin: FamilyOrigin, name: string): "kept" | "forged" | "restarted" {
    const follows = origin === "shim" && name > this.#lastName;
    if (this.#place === "first") {
      if (!follows) this.#ended = true;
      else if (!this.#ended) this.#lastName = name;
      return origin === "shim" && this.#ended ? "forged" : "kept";
    }
    const restarted = !follows && this.#lastName !== "";
    this.#lastName = origin === "shim" ? name : "";
    return restarted ? "restarted" : "kept";
  }
}
