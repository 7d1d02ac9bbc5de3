// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { z } from "zod";
import { renderFault } from "../../../src/config/fault.ts";
import { checkNode } from "../../../src/config/schema_faults.ts";
import { parseYamlText } from "../../../src/config/yaml.ts";

/** Returns the faults of a component's options as its user reads them, but without file and line: `path: message`. */
export function faultsOf(schema: z.ZodType, options: object): readonly string[] {
  const tree = parseYamlText("options.yaml", JSON.stringify(options), []);
  assert.ok(tree !== undefined);
  const { faults } = checkNode(tree, [], schema);
  return faults.map((fault) => renderFault({ ...fault, origin: undefined }));
}
