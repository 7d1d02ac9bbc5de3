// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { acceptsGzip, chooseFormat } from "./negotiate.ts";

test("the format is OpenMetrics if the puller asks for version 1.0.0 and does not prefer text", () => {
  const rows: readonly (readonly [accept: string | undefined, want: string])[] = [
    [undefined, "text"],
    ["", "text"],
    ["*/*", "text"],
    ["text/html", "text"],
    ["application/openmetrics-text", "openmetrics"],
    ["application/openmetrics-text; version=1.0.0", "openmetrics"],
    ['Application/OpenMetrics-Text; Version="1.0.0"; charset=utf-8', "openmetrics"],
    ["application/openmetrics-text; version=0.0.1", "text"],
    ["application/openmetrics-text; version=1.0.0; q=0", "text"],
    ["application/openmetrics-text; version=1.0.0; q=0.4, text/plain; q=0.5", "text"],
    ["application/openmetrics-text; version=1.0.0; q=0.5, */*; q=0.5", "openmetrics"],
    ["application/openmetrics-text; version=1.0.0; q=nonsense", "text"],
    // Prometheus 2.42 and 3.
    [
      "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      "openmetrics",
    ],
    [
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
      "openmetrics",
    ],
  ];
  for (const [accept, want] of rows) assert.equal(chooseFormat(accept), want, accept);
});

test("a puller gets gzip if it accepts gzip", () => {
  const rows: readonly (readonly [acceptEncoding: string | undefined, want: boolean])[] = [
    [undefined, false],
    ["", false],
    ["identity", false],
    ["gzip", true],
    ["GZIP", true],
    ["deflate, gzip;q=0.5", true],
    ["gzip;q=0", false],
    ["gzip; q=0.0, *", false],
    ["*", true],
    ["*;q=0", false],
    ["*;q=0, gzip", true],
    ["gzipped", false],
  ];
  for (const [acceptEncoding, want] of rows) assert.equal(acceptsGzip(acceptEncoding), want, acceptEncoding);
});
