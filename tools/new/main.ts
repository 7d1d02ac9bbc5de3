// SPDX-License-Identifier: Apache-2.0
// Makes the files of a new processor: npm run new -- processor NAME.
import { join } from "node:path";
import { makeProcessor } from "./processor.ts";

const [kind, name = "", ...rest] = process.argv.slice(2);
try {
  if (kind !== "processor" || rest.length > 0)
    throw new Error('only "processor NAME" can be made; for others copy a neighbour');
  const paths = makeProcessor(join(import.meta.dirname, "../.."), name);
  process.stdout.write(`${paths.join("\n")}\nNow follow docs/add_a_component.md.\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
