// SPDX-License-Identifier: Apache-2.0
import { test } from "node:test";
import { refused, warned } from "./fake_catalog.ts";

test("no two components that run claim the same thing", async () => {
  const service =
    "service: {pipelines: {metrics: {receivers: [kata, kata/b], exporters: [out]}}, extensions: [health]}";
  await refused(
    `receivers: {kata: {name: a}, kata/b: {name: b}}\nexporters: {out: {name: a}}\nextensions: {health: {name: b}}\n${service}`,
    "f:2:13: exporters::out: name a is that of receivers::kata already",
    "f:3:14: extensions::health: name b is that of receivers::kata/b already",
  );
});

test("a component that does not run claims nothing", async () => {
  const service = "service: {pipelines: {metrics: {receivers: [kata], exporters: [out]}}}";
  await warned(
    `receivers: {kata: {name: a}, kata/b: {name: a}}\nexporters: {out: }\n${service}`,
    "f:1:30: receivers::kata/b: is in no pipeline and will not run",
  );
});
