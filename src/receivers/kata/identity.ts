import { lstatSync, type Stats } from "node:fs";

/** Tells a directory from another one that takes its name later. */
export interface Identity {
  readonly key: string;
  /** When the directory was made, in Unix milliseconds. */
  readonly bornMs: number;
}

/**
 * What is at the path, without following a link; undefined where nothing is. Throws where that cannot be known.
 *
 * Looks at sandboxes are synchronous: they lie in memory (/run), where a call takes 3 µs, an eighth of what handing it
 * to a thread takes (measured: 5 ms for a thousand directories against 35), and nothing can change half-way.
 */
export function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** Undefined where there is no directory of this name (any more). Throws where that cannot be known. */
export function identityOf(directory: string): Identity | undefined {
  const stat = statOf(directory);
  if (stat === undefined || !stat.isDirectory()) return undefined;
  const { dev, ino, birthtimeMs, ctimeMs } = stat;
  // Some file systems know no time of birth; the inode then has to do.
  return { key: `${dev}:${ino}:${birthtimeMs}`, bornMs: birthtimeMs > 0 ? birthtimeMs : ctimeMs };
}
