// SPDX-License-Identifier: Apache-2.0
import type { Root } from "./root.ts";

/** The reason why an entry of a root is ignored although it looks like a sandbox, or why a whole root is ignored. */
export type IgnoredReason = "link" | "name" | "limit" | "duplicate_root" | "duplicate_sandbox" | "owned";

const TEXTS: Readonly<Record<IgnoredReason, string>> = {
  link: "a symbolic link is no sandbox",
  name: "not a sandbox id",
  limit: "more directories than limits::sandboxes; those with a socket come first, the excess is left out",
  duplicate_root: "the same directory as another root",
  duplicate_sandbox: "the same directory as a sandbox that was found already",
  owned: "a sandbox that another receiver scrapes already",
};

/**
 * Reports ignored entries: once for each root and reason, with the first path as an example, since there may be a
 * hundred thousand of them. A reason is reported again after a whole scan without an entry that was ignored for it.
 */
export class IgnoredEntries {
  readonly #report: (path: string, reason: string) => void;
  #reported = new Set<string>();
  /** The pairs of reason and root that the scan under way has noted. */
  #met = new Set<string>();

  constructor(report: (path: string, reason: string) => void) {
    this.#report = report;
  }

  note(root: Root, reason: IgnoredReason, { path, detail = "" }: { path: string; detail?: string }): void {
    const key = `${reason} ${root.path}`;
    this.#met.add(key);
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    this.#report(path, `${TEXTS[reason]}${detail}`);
  }

  /** To be called when a scan of all roots begins. */
  begin(): void {
    this.#met = new Set();
  }

  /**
   * To be called when the scan has ended. Reasons that it did not note are reported again when a later scan notes them.
   */
  end(): void {
    this.#reported = this.#met;
  }
}
