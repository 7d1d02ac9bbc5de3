// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { metricsPage } from "./own_metrics.ts";
import { withCodeMap } from "./places.ts";
import { ROOT } from "./sources.ts";

/** A document that is written from the code, in whole or in part. */
export interface GeneratedDocument {
  /** Relative to the project's root. */
  readonly path: string;
  /** A program that making it needs. */
  readonly needs?: string;
  /** Makes the document's text as it should be. */
  make(): Promise<string>;
}

/** Every document that `node test/tidy/write.ts` writes. */
export const GENERATED: readonly GeneratedDocument[] = [
  {
    path: "src/README.md",
    make: async () => withCodeMap(readFileSync(join(ROOT, "src/README.md"), "utf8")),
  },
  { path: "docs/metrics.md", needs: "openssl", make: metricsPage },
];
