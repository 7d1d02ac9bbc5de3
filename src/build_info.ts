// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import type { BuildInfo } from "./component/component.ts";

/** Reads package.json, which is one folder above both `src` and the built `dist`. */
export function readBuildInfo(): BuildInfo {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const { name, version, description } = JSON.parse(text) as BuildInfo & { name: string };
  return { command: name, version, description };
}
