// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from "node:util";
import { describeMachine, renderTable } from "../kit/table.ts";
import { benchAgent } from "./agent.ts";
import { benchFlood } from "./flood.ts";
import { benchHostile } from "./hostile.ts";
import { benchHostileReplies } from "./hostile_replies.ts";
import { benchListener } from "./listener.ts";
import { benchHostileNode, benchPullers } from "./node_load.ts";
import { benchOtlp } from "./otlp.ts";
import { benchParse } from "./parse.ts";
import { benchPeers } from "./peers.ts";
import { benchPush } from "./push.ts";
import { benchQueue } from "./queue.ts";
import { benchScrape } from "./scrape.ts";
import { benchWrite } from "./write.ts";

/** One way of doing the work; `nsPerSample` is the median of several runs. */
export interface SampleRow {
  readonly name: string;
  readonly nsPerSample: number;
  readonly mbPerS: number;
}

const SUITES: Readonly<Record<string, () => readonly SampleRow[] | Promise<readonly SampleRow[]>>> = {
  scrape: benchScrape,
  parse: benchParse,
  write: benchWrite,
  otlp: benchOtlp,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { sandboxes: { type: "string", default: "10,100,250,1000" }, help: { type: "boolean" } },
});
/** The benchmarks with tables of their own. */
const TABLES: Readonly<Record<string, () => readonly object[] | Promise<readonly object[]>>> = {
  hostile: benchHostile,
  "hostile-replies": benchHostileReplies,
  "hostile-node": benchHostileNode,
  flood: benchFlood,
  listener: benchListener,
  pullers: benchPullers,
  peers: benchPeers,
  push: benchPush,
  queue: benchQueue,
  agent: () => benchAgent(values.sandboxes.split(",").map(Number)),
};
const known = [...Object.keys(SUITES), ...Object.keys(TABLES)];
if (values.help === true || positionals.some((name) => !known.includes(name))) {
  console.log(
    `npm run bench [-- ${known.join(" ")}] [--sandboxes 10,100]; without names, everything (about half an hour)`,
  );
  process.exit(values.help === true ? 0 : 1);
}
const wanted = positionals.length === 0 ? known : positionals;
console.log(`machine: ${describeMachine()}`);

for (const [name, bench] of Object.entries(SUITES)) {
  if (!wanted.includes(name)) continue;
  const rows = await bench();
  const fastest = rows[0]?.nsPerSample ?? Number.NaN;
  console.log(`\n$ npm run bench -- ${name}`);
  console.log(
    renderTable(
      ["", "ns/sample", "MB/s", "× ours"],
      rows.map((row) => [
        row.name,
        row.nsPerSample.toFixed(0),
        row.mbPerS.toFixed(0),
        (row.nsPerSample / fastest).toFixed(1),
      ]),
    ),
  );
}

for (const [name, bench] of Object.entries(TABLES)) {
  if (!wanted.includes(name)) continue;
  const rows = await bench();
  const option = name === "agent" ? ` --sandboxes ${values.sandboxes}` : "";
  console.log(`\n$ npm run bench -- ${name}${option}`);
  console.log(
    renderTable(
      Object.keys(rows[0] ?? {}),
      rows.map((row) => Object.values(row).map(String)),
    ),
  );
}
