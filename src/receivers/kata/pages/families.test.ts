// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ShimKind } from "../../../kata/known_families.ts";
import { Interner } from "../../../metrics/interner.ts";
import { PageParser } from "../../../prometheus/parse/page_parser.ts";
import { defaultParseLimits } from "../../../prometheus/parse/parse_limits.ts";
import { createPage } from "../../../simulator/pages.ts";
import { defineFamily, labelFaults, trustOf } from "./families.ts";

const GO_HOST = [
  "# TYPE go_goroutines gauge\ngo_goroutines 17\n",
  "# TYPE kata_hypervisor_fds gauge\nkata_hypervisor_fds 30\n",
  '# TYPE kata_shim_rpc_durations_histogram_milliseconds histogram\nkata_shim_rpc_durations_histogram_milliseconds_bucket{le="+Inf"} 1\nkata_shim_rpc_durations_histogram_milliseconds_sum 1\nkata_shim_rpc_durations_histogram_milliseconds_count 1\n',
  "# TYPE process_open_fds gauge\nprocess_open_fds 9\n",
].join("");
const GO_HOST_NAMES = [
  "gauge kata_shim_go_goroutines 17",
  "gauge kata_hypervisor_fds 30",
  "histogram kata_shim_rpc_durations_histogram_milliseconds 1 1 1",
  "gauge kata_shim_process_open_fds 9",
];
const RS_HOST =
  "# TYPE kata_shim_fds gauge\nkata_shim_fds 30\n# TYPE kata_shim_threads gauge\nkata_shim_threads 4\n";
const RS_HOST_NAMES = ["gauge kata_shim_fds 30", "gauge kata_shim_threads 4"];

/** Parses the page three times, once with new layouts: kind, name and numbers of each family, and why lines were left out. */
function check(
  shim: ShimKind,
  text: string,
  want: readonly string[],
  reasons: Record<string, number> = {},
): void {
  const parser = new PageParser({
    interner: new Interner(),
    limits: defaultParseLimits,
    define: defineFamily,
    labelFault: labelFaults([]),
  });
  const source = parser.source([]);
  const trust = trustOf(shim, ["vendor_*", "ttt"]);
  const bytes = Buffer.from(`${text}\0`);
  for (let scrape = 0; scrape < 3; scrape++) {
    const { schema, values, reasons: got } = source.parse(bytes, bytes.length - 1, trust);
    const families = schema.families.map(({ kind, name, width }, index) => {
      const offset = schema.offsets[index] ?? 0;
      return `${kind} ${name} ${[...values.subarray(offset, offset + width)].join(" ")}`;
    });
    assert.deepEqual(families.sort(), want.toSorted(), `${shim}, scrape ${scrape}: ${text}`);
    assert.deepEqual(Object.fromEntries(got), reasons, text);
  }
}

const FORGED = "family of the host in the guest's part";
const UNKNOWN = "family that no shim has";
const FOREIGN_LABEL = "label of a guest's that Kata does not use and guest_labels does not name";

test("honest pages of both shims are read whole, in whatever order the Go shim has the guest's part", () => {
  for (const flavor of ["go", "rs"] as const) {
    const parser = new PageParser({
      interner: new Interner(),
      limits: defaultParseLimits,
      define: defineFamily,
    });
    const source = parser.source([]);
    const trust = trustOf(flavor === "go" ? "go" : "rs-dragonball", []);
    const page = createPage({ flavor, seed: 1 });
    for (let scrape = 0; scrape < 5; scrape++) {
      const text = page.render();
      const { samples, reasons } = source.parse(Buffer.concat([text, Buffer.alloc(8)]), text.length, trust);
      assert.deepEqual([...reasons], []);
      assert.ok(samples > 400, `${samples} samples`);
    }
  }
});

test("after the Go shim's own part a guest cannot define or repeat the shim's families", () => {
  const guest = (text: string, want: readonly string[], reasons: Record<string, number>): void =>
    check("go", GO_HOST + text, [...GO_HOST_NAMES, ...want], reasons);
  guest("# TYPE kata_guest_x gauge\nkata_guest_x 1\n", ["unknown kata_guest_x 1"], {});
  guest("# TYPE kata_hypervisor_fds counter\nkata_hypervisor_fds 1\n", [], { [FORGED]: 1 });
  guest('# TYPE kata_hypervisor_new gauge\nkata_hypervisor_new 1\nkata_hypervisor_new{a="b"} 1\n', [], {
    [FORGED]: 2,
  });
  guest("kata_shim_go_goroutines 1\n", [], { [FORGED]: 1 });
  guest("kata_guest_x 1\nprocess_z 1\n", ["unknown kata_guest_x 1"], { [FORGED]: 1 });
  guest("kata_agent_go_threads 1\nkata_shim_z 1\n", ["unknown kata_agent_go_threads 1"], { [FORGED]: 1 });
});

test("forged families before the first honest page do not affect later pages", () => {
  const parser = new PageParser({
    interner: new Interner(),
    limits: defaultParseLimits,
    define: defineFamily,
  });
  const trust = trustOf("go", []);
  const parse = (text: string) => {
    const bytes = Buffer.from(`${text}\0`);
    return parser.source([]).parse(bytes, bytes.length - 1, trust);
  };
  parse(
    "# TYPE kata_guest_a gauge\nkata_guest_a 1\n# TYPE kata_shim_go_goroutines gauge\nkata_shim_go_goroutines 17\n",
  );
  const honest = parse(GO_HOST);
  assert.deepEqual([...honest.reasons], []);
  assert.equal(honest.samples, 6);
});

test("before runtime-rs' own part a guest cannot define, hide or repeat the shim's families", () => {
  const guest = (text: string, want: readonly string[], reasons: Record<string, number>): void =>
    check("rs", text + RS_HOST, [...RS_HOST_NAMES, ...want], reasons);
  guest("kata_guest_x 1\n", ["unknown kata_guest_x 1"], {});
  guest("# TYPE kata_shim_fds gauge\nkata_shim_fds 1\n", [], { [FORGED]: 1 });
  guest("# TYPE kata_shim_threads gauge\nkata_shim_threads 1\nkata_guest_x 1\n", ["unknown kata_guest_x 1"], {
    [FORGED]: 1,
  });
  guest(
    '# TYPE kata_shim_fds histogram\nkata_shim_fds_bucket{le="+Inf"} 1\nkata_shim_fds_sum 1\nkata_shim_fds_count 1\n',
    [],
    {
      [UNKNOWN]: 3,
    },
  );
  guest("kata_shim_new 1\n", [], { [UNKNOWN]: 1 });
  guest("# TYPE kata_hypervisor_vcpu gauge\nkata_hypervisor_vcpu 1\n", [], { [UNKNOWN]: 1 });
  guest("# TYPE go_goroutines gauge\ngo_goroutines 1\n", [], { [UNKNOWN]: 1 });
});

test("Dragonball has families of its own; other hypervisors of runtime-rs have none", () => {
  const page = `# TYPE kata_hypervisor_seccomp gauge\nkata_hypervisor_seccomp 0\n${RS_HOST}`;
  check("rs-dragonball", page, ["gauge kata_hypervisor_seccomp 0", ...RS_HOST_NAMES]);
  check("rs", page, RS_HOST_NAMES, { [UNKNOWN]: 1 });
});

test("families of the agent, and families that no shim has, are left out", () => {
  for (const name of [
    "kata_monitor_running_shim_count",
    "kata_collector_sandbox_up",
    "up",
    "scrape_samples_scraped",
    "ALERTS",
  ])
    for (const shim of ["go", "rs"] as const)
      check(shim, `# TYPE ${name} gauge\n${name} 1\n`, [], { [UNKNOWN]: 1 });
});

test("an operator may allow more families, which must be in the shim's part", () => {
  check(
    "go",
    "ttt 1\nvendor_a 1\nkata_guest_x 1\nvendor_b 1\n",
    ["unknown ttt 1", "unknown vendor_a 1", "unknown kata_guest_x 1"],
    {
      [FORGED]: 1,
    },
  );
  check(
    "rs",
    `vendor_b 1\nkata_guest_x 1\n${RS_HOST}vendor_a 1\n`,
    ["unknown kata_guest_x 1", "unknown vendor_a 1", ...RS_HOST_NAMES],
    {
      [FORGED]: 1,
    },
  );
});

test("a known family has its known type, a guest's own families are scalars, and no page may set an identity label", () => {
  check(
    "go",
    '# TYPE kata_guest_load counter\nkata_guest_load{item="load1"} 1\n',
    ["gauge kata_guest_load 1"],
    {
      "TYPE other than the known one": 1,
    },
  );
  check(
    "go",
    '# TYPE kata_guest_h histogram\nkata_guest_h_bucket{le="+Inf"} 1\nkata_guest_h_sum 1\nkata_guest_h_count 1\n',
    [],
    {
      "histogram without its +Inf bucket": 2,
      [FOREIGN_LABEL]: 1,
    },
  );
  check(
    "go",
    '# TYPE kata_guest_x gauge\nkata_guest_x{cri_name="other"} 1\nkata_guest_x{sandbox_id="1",a="b"} 1\nkata_guest_x{a="b"} 2\nkata_guest_x{item="b"} 3\n',
    ["unknown kata_guest_x 3"],
    {
      "reserved label": 2,
      [FOREIGN_LABEL]: 1,
    },
  );
});

test("a guest that makes the page end before the shim's part cannot forge the shim's families", () => {
  const forged = "# TYPE kata_shim_threads gauge\nkata_shim_threads 666\n";
  const noise = "x 1\n".repeat(1_000);
  const cut = "a limit on the page is reached";
  check("rs", `${forged}${noise}${RS_HOST}`, [], {
    [UNKNOWN]: 1,
    "series twice in one family": 999,
    [FORGED]: 1,
    [cut]: 2,
  });
  const many = Array.from({ length: 9_999 }, (_, number) => `kata_guest_x{n="${number}"} 1\n`).join("");
  const parser = new PageParser({
    interner: new Interner(),
    limits: defaultParseLimits,
    define: defineFamily,
  });
  const bytes = Buffer.from(`${many}${forged}${RS_HOST}\0`);
  const { schema } = parser.source([]).parse(bytes, bytes.length - 1, trustOf("rs", []));
  assert.deepEqual(
    schema.families.map(({ name }) => name),
    ["kata_guest_x"],
  );
});

test("if a block before the shim's part is left unread, no forged family before it is kept", () => {
  const limits = { ...defaultParseLimits, newLayoutsPerMinuteMax: 1 };
  const parser = new PageParser({ interner: new Interner(), limits, define: defineFamily });
  const bytes = Buffer.from(`# TYPE kata_shim_threads gauge\nkata_shim_threads 666\n${RS_HOST}\0`);
  const { values, skippedLines, badLines } = parser
    .source([])
    .parse(bytes, bytes.length - 1, trustOf("rs", []));
  // The block after the unread one has the same form as the forged one: its layout is known by then, and it is the shim's.
  assert.deepEqual([[...values], skippedLines, badLines], [[4], 1, 1]);
});

test("shim_families of kata_* do not let a shim define families of the agent", () => {
  const trust = trustOf("rs", ["kata_*"]);
  for (const name of ["kata_collector_sandboxes", "kata_monitor_running_shim_count"])
    assert.deepEqual(trust.originOf(name, "gauge"), { reason: UNKNOWN });
  assert.equal(trust.originOf("kata_new", "gauge"), "shim");
});
