import { parseArgs } from "node:util";
import { type AgentRow, benchAgent } from "./agent.ts";
import { benchOtlp } from "./otlp.ts";
import { benchParse } from "./parse.ts";
import { benchScrape } from "./scrape.ts";
import { describeMachine, renderTable } from "./table.ts";
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
const known = [...Object.keys(SUITES), "agent"];
if (values.help === true || positionals.some((name) => !known.includes(name))) {
  console.log(
    `npm run bench [-- ${known.join(" ")}] [--sandboxes 10,100]; without names, everything (about 6 minutes)`,
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

if (wanted.includes("agent")) {
  console.log(`\n$ npm run bench -- agent --sandboxes ${values.sandboxes}`);
  const rows: readonly AgentRow[] = await benchAgent(values.sandboxes.split(",").map(Number));
  console.log(renderAgentRows(rows));
}

function renderAgentRows(rows: readonly AgentRow[]): string {
  const head = Object.keys(rows[0] ?? {});
  return renderTable(
    head,
    rows.map((row) => Object.values(row).map(String)),
  );
}
