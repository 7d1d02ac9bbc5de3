// SPDX-License-Identifier: Apache-2.0
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested here
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { ConcealedTexts } from "../text/concealed.ts";
import { createLogger, type LogSettings } from "./logs.ts";

function lines(
  settings: Partial<LogSettings>,
  use: (logger: ReturnType<typeof createLogger>) => void,
): string[] {
  let text = "";
  const output = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  use(createLogger({ level: "info", encoding: "console", initialFields: {}, ...settings }, output));
  return text.split("\n").filter((line) => line !== "");
}

test("console lines are time, level, message and the fields as JSON, tab-separated", () => {
  const [line] = lines({ initialFields: { node: "n1" } }, (logger) =>
    logger.info({ port: 8090 }, "Listening."),
  );
  assert.match(line ?? "", /^\d{4}-.*Z\tinfo\tListening\.\t\{"node":"n1","port":8090\}$/);
});

test("initial fields may have any name", () => {
  const names = [
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "toString",
    "level2",
    "serializers",
    "formatters",
    "error",
  ];
  const initialFields = Object.fromEntries(names.map((name) => [name, { [name]: name }]));
  for (const encoding of ["console", "json"] as const) {
    const [line = ""] = lines({ encoding, initialFields }, (logger) =>
      logger.child({ a: 1 }).info({ b: 2 }, "Said."),
    );
    const fields = JSON.parse(line.split("\t").at(-1) ?? "");
    for (const name of names)
      assert.equal(JSON.stringify(fields[name]), JSON.stringify({ [name]: name }), name);
    assert.equal(fields.b, 2);
  }
});

test("concealed texts are replaced in every field, except in initial fields, the message and components' ids", () => {
  const concealed = new ConcealedTexts();
  concealed.add("hunter2", "${env:TOKEN}");
  for (const encoding of ["console", "json"] as const) {
    const written: string[] = [];
    const output = { write: (text: string) => written.push(text) };
    const settings = { level: "info", encoding, initialFields: { node: "hunter2" } } as const;
    const logger = createLogger(settings, output, concealed).child({
      "otelcol.component.id": "file/hunter2",
    });
    const fields = {
      url: "http://h/hunter2/v1",
      nested: { hunter2: ["hunter2"] },
      count: 1,
      error: new Error("no hunter2"),
    };
    logger.info(fields, "Said.");
    const said = JSON.parse(written.join("").split("\t").at(-1) ?? "");
    assert.equal(said.node, "hunter2");
    assert.equal(said["otelcol.component.id"], "file/hunter2");
    assert.equal(said.url, "http://h/${env:TOKEN}/v1");
    assert.deepEqual(said.nested, { hunter2: ["${env:TOKEN}"] });
    assert.equal(said.count, 1);
    assert.match(said.error, /^Error: no \$\{env:TOKEN\}\n/);
  }
});

test("console lines without fields end after the message", () => {
  const [line] = lines({}, (logger) => logger.warn("Nothing to do."));
  assert.match(line ?? "", /\twarn\tNothing to do\.$/);
});

test("json lines are one object each", () => {
  const [line] = lines({ encoding: "json" }, (logger) => logger.error({ error: new Error("no") }, "Failed."));
  const parsed = JSON.parse(line ?? "");
  assert.equal(parsed.level, "error");
  assert.equal(parsed.msg, "Failed.");
  assert.match(parsed.error, /^Error: no\n/);
});

test("lines under the level are not written", () => {
  const written = lines({ level: "warn" }, (logger) => {
    logger.info("quiet");
    logger.warn("loud");
  });
  assert.equal(written.length, 1);
});
