// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";

const Entry = z.object({
  version: z.string().optional(),
  license: z.string().optional(),
  integrity: z.string().optional(),
  hasInstallScript: z.boolean().optional(),
  dev: z.boolean().optional(),
  optional: z.boolean().optional(),
  devOptional: z.boolean().optional(),
  link: z.boolean().optional(),
});
const Lock = z.object({ lockfileVersion: z.literal(3), packages: z.record(z.string(), z.looseObject({})) });

const PREFIX = "node_modules/";

/** A package that the agent needs when it runs, as package-lock.json has it. */
export interface LockedPackage {
  /** Relative to the project's root, such as `node_modules/pino`. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  /** An SPDX expression; undefined where the package says none. */
  readonly license: string | undefined;
  /** The hash of the package's tarball that npm compares before it unpacks it. */
  readonly integrity: string;
  readonly hasInstallScript: boolean;
}

/**
 * The packages of a package-lock.json (version 3) without those that only development needs and without the workspace that
 * brings Node, sorted by path. Throws where one is optional or has no version or hash: then nobody could say what is installed.
 */
export function productionPackages(lock: unknown): readonly LockedPackage[] {
  return Object.entries(Lock.parse(lock).packages)
    .map(([path, entry]) => ({ path, ...Entry.parse(entry) }))
    .filter(({ path, dev, link }) => path.startsWith(PREFIX) && dev !== true && link !== true)
    .filter(({ path }) => !path.startsWith(`${PREFIX}node-linux-`))
    .sort((left, right) => (left.path < right.path ? -1 : 1))
    .map(({ path, version, license, integrity, hasInstallScript, optional, devOptional }) => {
      if (version === undefined || integrity === undefined)
        throw new Error(`cannot tell what "${path}" is: package-lock.json has no version or no integrity`);
      if (optional === true || devOptional === true)
        throw new Error(`cannot tell whether "${path}" is installed: it is optional in package-lock.json`);
      const name = path.slice(path.lastIndexOf(PREFIX) + PREFIX.length);
      return { path, name, version, license, integrity, hasInstallScript: hasInstallScript === true };
    });
}

/** A package-lock.json of the packages alone, for the manifest that depends on them and on nothing else. */
export function productionLock(
  manifest: { readonly name: string; readonly version: string },
  lock: unknown,
): object {
  const { packages } = Lock.parse(lock);
  const { name, version } = manifest;
  const locked = productionPackages(lock).map(({ path }) => [path, packages[path]]);
  return {
    name,
    version,
    lockfileVersion: 3,
    requires: true,
    packages: { "": manifest, ...Object.fromEntries(locked) },
  };
}
