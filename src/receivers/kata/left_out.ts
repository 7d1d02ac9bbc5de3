// SPDX-License-Identifier: Apache-2.0
import type { Root } from "./discovery.ts";

/** Why something under a root is left out, though it looks like a sandbox. */
export type LeftOutReason = "link" | "name" | "limit" | "twin" | "double" | "owned";

const TEXTS: Readonly<Record<LeftOutReason, string>> = {
  link: "a symbolic link is no sandbox",
  name: "not a sandbox id",
  limit: "more directories than limits::sandboxes; those with a socket come first, the excess is left out",
  twin: "the same directory as another root",
  double: "the same directory as a sandbox that was found already",
  owned: "a sandbox that another receiver scrapes already",
};

/**
 * Says what is left out: once for each root and reason, with the first path as an example, since there may be a hundred
 * thousand of them. It is said again when it comes after a whole look without it.
 */
export class LeftOut {
  readonly #say: (path: string, reason: string) => void;
  #said = new Set<string>();
  #met = new Set<string>();

  constructor(say: (path: string, reason: string) => void) {
    this.#say = say;
  }

  note(root: Root, reason: LeftOutReason, { path, detail = "" }: { path: string; detail?: string }): void {
    const key = `${reason} ${root.path}`;
    this.#met.add(key);
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.#say(path, `${TEXTS[reason]}${detail}`);
  }

  /** A look at all roots begins. */
  begin(): void {
    this.#met = new Set();
  }

  /** The look has ended: what it did not meet is there no more. */
  end(): void {
    this.#said = this.#met;
  }
}
