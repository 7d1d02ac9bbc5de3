// SPDX-License-Identifier: Apache-2.0
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested here
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Catalog } from "../../src/config/catalog.ts";
import { SECTIONS } from "../../src/config/components.ts";
import { renderFaults } from "../../src/config/fault.ts";
import { printableConfig } from "../../src/config/print.ts";
import { serviceSchema } from "../../src/config/service.ts";
import { registry } from "../../src/registry.ts";
import { loadMerged, optionPlaces, yamlAt } from "../kit/component/options.ts";

/** Values of a variable, which must never be shown, whatever is wrong with them. */
const VALUES = [
  "hunter2",
  "h4",
  "http://hunter:hunter2@hunter.example:99999/hunter?hunter=hunter",
  "hunter2,hunter3",
  "[hunter2, {hunter3: hunter4}]",
  "{hunter2: hunter3, endpoint: hunter4}",
  "987654321987",
  "-4h4",
];
const SECRET = /hunter|h4|987654321987/;

/** The forms in which a config refers to the variable. */
const FORMS = ["${env:VALUE}", "a${VALUE}b", "http://h/${env:VALUE}"];

/** Fails where a fault or a printed config shows the value of the variable at this path. */
async function check(path: readonly string[]): Promise<void> {
  for (const form of FORMS) {
    const text = yamlAt(path, JSON.stringify(form));
    for (const value of VALUES) {
      const loaded = await loadMerged([text], { VALUE: value });
      const faults = loaded.ok ? [] : loaded.faults;
      const told = renderFaults([...faults, ...loaded.warnings]);
      assert.doesNotMatch(told, SECRET, `${text} with ${value}`);
      if (loaded.tree === undefined) continue;
      const printed = await printableConfig(loaded.tree, registry, { unredacted: false });
      assert.doesNotMatch(JSON.stringify(printed), SECRET, `${text} with ${value}`);
    }
  }
}

for (const section of SECTIONS) {
  for (const [type, entry] of Object.entries((registry as Catalog)[section])) {
    test(`no option of ${section}::${type} shows the value of a variable`, async () => {
      await check([section, `${type}/1`]);
      const { schema } = await entry.load();
      for (const { path, type: kind } of optionPlaces(schema)) {
        await check([section, `${type}/1`, ...path]);
        if (kind === "record") await check([section, `${type}/1`, ...path, "any"]);
      }
    });
  }
}

test("no option of the service, and no section, shows the value of a variable", async () => {
  for (const section of [...SECTIONS, "service", "recievers"]) await check([section]);
  for (const { path } of optionPlaces(serviceSchema)) await check(["service", ...path]);
  for (const list of ["receivers", "processors", "exporters"])
    for (const path of [[list], [list, "0"]]) await check(["service", "pipelines", "metrics", ...path]);
  await check(["service", "extensions", "0"]);
  await check(["service", "telemetry", "logs", "initial_fields", "any"]);
});
