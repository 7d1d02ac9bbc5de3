// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { startForeignParsers } from "../kit/page_parsers/foreign_parsers.ts";
import { peerIsThere } from "../kit/peers.ts";
import type { Format } from "../kit/pulled_page.ts";

/** A page that every parser must refuse: one that accepts everything would prove nothing. */
const REFUSED: Readonly<Record<Format, readonly string[]>> = {
  text: ["a\n", "a x\n", 'a{b="c"\n'],
  openmetrics: [
    "a 1\n",
    "# TYPE a counter\na_total -1\n# EOF\n",
    "# TYPE a counter\na_total NaN\n# EOF\n",
    "# TYPE a counter\na_total 1\n# TYPE a_created gauge\na_created 1\n# EOF\n",
    '# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_count 1\na_sum 1\n# EOF\n',
    '# TYPE a histogram\na_bucket{le="+Inf"} 1.5\na_count 1.5\na_sum 1\n# EOF\n',
    '# TYPE a summary\na{quantile="2"} 1\na_count 1\na_sum 1\n# EOF\n',
  ],
};
const TAKEN: Readonly<Record<Format, string>> = {
  text: '# HELP a Says.\n# TYPE a counter\na{b="c"} 1\na{b="d"} NaN\nb 2\n',
  openmetrics:
    '# HELP a Says.\n# TYPE a counter\na_total{b="c"} 1\na_total{b="d"} 2\n# TYPE b gauge\nb NaN\n# EOF\n',
};

test("parsers of other projects accept a good page, refuse bad ones, and go on after each", async (context) => {
  const { parsers, missing, close } = await startForeignParsers();
  try {
    if (!peerIsThere(context, missing.join(" or "), missing.length === 0)) return;
    for (const parser of parsers) {
      for (const format of parser.formats) {
        for (const page of REFUSED[format]) {
          const { fault } = await parser.judge(page, format);
          assert.notEqual(fault, null, `${parser.name} takes ${page}`);
          const taken = await parser.judge(TAKEN[format], format);
          assert.deepEqual(taken, { fault: null, samples: 3 }, parser.name);
        }
      }
    }
  } finally {
    await close();
  }
});
