// SPDX-License-Identifier: Apache-2.0
import type { Kind } from "../../metrics/model.ts";

/** Who writes a family: the shim, which is the host's, or the guest, which is nobody's friend. */
export type Origin = "host" | "guest";

/** Why a family is left out that a guest wrote under a name of the host's. */
export const FORGED = "family of the host in the guest's part";

/** Who may define which families of a page. */
export interface PageTrust {
  /**
   * Where the shim's own families stand, in order of names: what stands elsewhere under their names was written by the
   * guest, and is left out.
   */
  readonly hostPart: "first" | "last";
  /** Who may define a family of this name, as the agent calls it, and kind; or why nobody may. */
  originOf(name: string, kind: Kind): Origin | { readonly reason: string };
}

/** For pages that one hand has written. */
export const TRUST_ALL: PageTrust = { hostPart: "first", originOf: () => "guest" };

/** Tells the host's families from those that a guest calls alike, by where they stand in a page. */
export class HostPart {
  #trust = TRUST_ALL;
  #ended = false;
  #lastName = "";

  begin(trust: PageTrust): void {
    this.#trust = trust;
    this.#ended = false;
    this.#lastName = "";
  }

  /**
   * Meets the page's next family, by its name on the page. "kept" if it may stay; "forged" if it is the guest's under a
   * name of the host's; "restarted" if it may stay, and all of the host's names before it were forged.
   */
  meet(origin: Origin, name: string): "kept" | "forged" | "restarted" {
    const follows = origin === "host" && name > this.#lastName;
    if (this.#trust.hostPart === "first") {
      if (!follows) this.#ended = true;
      else if (!this.#ended) this.#lastName = name;
      return origin === "host" && this.#ended ? "forged" : "kept";
    }
    const restarted = !follows && this.#lastName !== "";
    this.#lastName = origin === "host" ? name : "";
    return restarted ? "restarted" : "kept";
  }
}
