// SPDX-License-Identifier: Apache-2.0
import { visible } from "../text/visible.ts";

/** Where something stands in the config, for a person to find it. Lines and columns count from 1. */
export interface ConfigOrigin {
  /** The file as the user named it, or what stands for one: `--set`, `yaml:…`, `env:…`. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The whole source line, for the caret. */
  readonly source: string;
}

/** One thing that is wrong with a config. */
export interface Fault {
  readonly origin: ConfigOrigin | undefined;
  /** Keys from the top, printed as `a::b::c`; empty for a fault of a whole file. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Longer source lines are cut around the column: a fault must not fill the screen. */
const SOURCE_CHARS_MAX = 160;
/** What comes after so many faults is mostly their consequence, and would push them off the screen. */
const FAULTS_SHOWN_MAX = 100;

/**
 * `agent.yaml:12:15: receivers::kata::timeout: must be at least 1s, got "0s"`, then the source line with a caret under
 * the column, all of it written visibly.
 */
export function renderFault({ origin, path, message }: Fault, label = ""): string {
  const what = visible(`${label}${path.length === 0 ? "" : `${path.join("::")}: `}${message}`);
  if (origin === undefined) return what;
  const head = `${visible(origin.file)}:${origin.line}:${origin.column}: ${what}`;
  if (origin.source.trim() === "") return head;
  const cut = Math.max(0, origin.column - SOURCE_CHARS_MAX / 2);
  const source = visible(origin.source.slice(cut, cut + SOURCE_CHARS_MAX));
  const before = visible(origin.source.slice(cut, origin.column - 1)).padEnd(origin.column - 1 - cut);
  return `${head}\n    ${source}\n    ${" ".repeat(before.length)}^`;
}

/**
 * All faults, file by file and there in the order of their places, each ending in a line feed. `label` ("warning: ")
 * stands before the path.
 */
export function renderFaults(faults: readonly Fault[], label = ""): string {
  const files = [...new Set(faults.map(({ origin }) => origin?.file))];
  const sorted = faults.toSorted(
    ({ origin: a }, { origin: b }) =>
      files.indexOf(a?.file) - files.indexOf(b?.file) ||
      (a?.line ?? 0) - (b?.line ?? 0) ||
      (a?.column ?? 0) - (b?.column ?? 0),
  );
  const shown = sorted.slice(0, FAULTS_SHOWN_MAX).map((fault) => `${renderFault(fault, label)}\n`);
  const left = sorted.length - shown.length;
  return shown.join("") + (left > 0 ? `and ${left} more\n` : "");
}
