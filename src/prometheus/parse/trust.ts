// SPDX-License-Identifier: Apache-2.0
import type { Kind } from "../../metrics/model.ts";

/**
 * The author of a family on a shim's page. The shim writes about itself and its processes on the node, and is trusted. The guest
 * is not: it may write anything, also under the names of the shim's families.
 */
export type FamilyOrigin = "shim" | "guest";

/** The reason why no one may define a family. */
export interface Untrusted {
  readonly reason: string;
}

/** The reason for which a family of the guest is left out that has the name of one of the shim's. */
export const FORGED = "family of the host in the guest's part";

/** The rules on who may define which families of a page. */
export interface PageTrust {
  /**
   * The place of the shim's own families on the page, where they are in order of names. A family elsewhere with a name of
   * theirs was written by the guest, and is left out.
   */
  readonly shimPart: "first" | "last";
  /** Returns who may define a family of this name, as the agent calls it, and kind; or the reason why no one may. */
  originOf(name: string, kind: Kind): FamilyOrigin | Untrusted;
}

/** For pages that have one author. */
export const TRUST_ALL: PageTrust = { shimPart: "first", originOf: () => "guest" };

/** Tells the shim's families from forged ones by their place on one page. */
export class ShimPart {
  readonly #place: PageTrust["shimPart"];
  #ended = false;
  #lastName = "";

  constructor({ shimPart }: PageTrust) {
    this.#place = shimPart;
  }

  /** Whether the shim's part is the page's last. Then it is only known at the page's end which families are the shim's. */
  get isLast(): boolean {
    return this.#place === "last";
  }

  /**
   * Takes the page's next family, by its name on the page, and returns what it shows:
   * - "kept": the family may stay;
   * - "forged": the guest wrote it under a name of the shim's;
   * - "restarted": the family may stay, but all families before it that seemed to be the shim's were forged.
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
