// SPDX-License-Identifier: Apache-2.0
import { visible } from "../text/visible.ts";

/** A place in the text of a config, for a person to find it. Lines and columns count from 1. */
export interface ConfigOrigin {
  /** The file as the user named it, or another source: `--set`, `yaml:…`, `env:…`. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The whole source line, which is shown with a caret under the column. Empty if it must not be shown. */
  readonly source: string;
}

/** One thing that is wrong with a config, or that a warning is about. */
export interface Fault {
  readonly origin: ConfigOrigin | undefined;
  /** The keys from the top, printed as `a::b::c`. Empty for a fault of a whole file. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** A longer source line is cut around the column, so that a fault does not fill the screen. */
const SOURCE_CHARS_MAX = 160;
/** Faults after the first 100 are mostly consequences of these, and would push them off the screen. */
const FAULTS_SHOWN_MAX = 100;

/**
 * Returns `agent.yaml:12:15: receivers::kata::timeout: must be at least 1s, got "0s"`, and below it the source line with a
 * caret under the column. Hidden characters are written visibly. `label` is put before the path.
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
 * Returns all faults, file by file and by their places in each file. Each one ends in a line feed. `label`, such as
 * "warning: ", is put before each path.
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
