// SPDX-License-Identifier: Apache-2.0
import { configJsonSchema } from "../config/json_schema.ts";
import type { Command } from "../process/command.ts";
import { registry } from "../registry.ts";

/** Prints a JSON Schema of the whole configuration, with which an editor completes keys and marks faults. */
export const schema: Command = async ({ stdout }) => {
  stdout.write(`${JSON.stringify(await configJsonSchema(registry), null, 2)}\n`);
  return 0;
};
