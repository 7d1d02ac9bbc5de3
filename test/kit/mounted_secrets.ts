// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { testFolder } from "./test_folder.ts";

export interface MountedSecrets {
  file(name: string): string;
  /** Replaces all files at once, and removes the old ones. */
  exchange(texts: Readonly<Record<string, string>>): void;
}

/** Makes a folder of secrets as Kubernetes mounts it: the files are links into `..data`, which is replaced as a whole. */
export function mountedSecrets(context: TestContext, names: readonly string[]): MountedSecrets {
  const folder = testFolder(context);
  let version = 0;
  const exchange = (texts: Readonly<Record<string, string>>): void => {
    const old = `..v${version}`;
    const fresh = `..v${++version}`;
    mkdirSync(join(folder, fresh));
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, fresh, name), text);
    symlinkSync(fresh, join(folder, "..data_tmp"));
    renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    rmSync(join(folder, old), { recursive: true, force: true });
  };
  for (const name of names) symlinkSync(join("..data", name), join(folder, name));
  return { file: (name: string) => join(folder, name), exchange };
}
