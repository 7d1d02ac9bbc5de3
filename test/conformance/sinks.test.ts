// SPDX-License-Identifier: Apache-2.0
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is looked for in sources
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Arbitrary, asyncProperty, constantFrom, assert as holds, string, tuple } from "fast-check";
import { FakeClock } from "../../src/clock/fake_clock.ts";
import { monitor } from "../../src/commands/monitor.ts";
import { printConfig } from "../../src/commands/print_config.ts";
import { run } from "../../src/commands/run.ts";
import { validate } from "../../src/commands/validate.ts";
import { renderFault } from "../../src/config/fault.ts";
import { factory as debug } from "../../src/exporters/debug/factory.ts";
import { HealthCheck } from "../../src/extensions/health_check/extension.ts";
import { factory as healthCheck } from "../../src/extensions/health_check/factory.ts";
import { idsHtml, idsText } from "../../src/extensions/kata_monitor_api/answers.ts";
import { statesHtml, statesText } from "../../src/extensions/kata_monitor_api/sandbox_states.ts";
import { answerText } from "../../src/http_server/server.ts";
import { Interner } from "../../src/metrics/interner.ts";
import type { Reading } from "../../src/metrics/model.ts";
import { createOtlpEncoder } from "../../src/otlp/encode.ts";
import { requestJson } from "../../src/otlp/json.ts";
import { createHost } from "../../src/pipeline/host.ts";
import type { CommandContext } from "../../src/process/command.ts";
import { captureWarnings, consoleInto, endOnUncaught } from "../../src/process/strays.ts";
import { LineOutput } from "../../src/reporting/line_output.ts";
import { createLogger } from "../../src/reporting/logs.ts";
import { ProcessLog } from "../../src/reporting/process_log.ts";
import { testSettings } from "../kit/component/settings.ts";
import { sandboxStatus } from "../kit/kata/sandbox_status.ts";

/** Texts with which others may control a terminal, forge a log line or hide text, by names, values and errors. */
const ATTACKS = [
  "\n2026-01-01T00:00:00.000Z\terror\tforged",
  "\r\n",
  "\u001b[2J\u001b]0;title\u0007",
  "\u0085\u2028\u2029",
  "\u009b31m\u007f\u0000\b",
  "\u202e\u2066\u061c\u200f",
  "\u200b\u2060\ufeff\u00ad",
  "\u{e0041}\u{e007f}",
  "\t",
  '","msg":"forged","a\\',
];
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u;

const hostile: Arbitrary<string> = tuple(
  string({ unit: "binary", maxLength: 5 }),
  constantFrom(...ATTACKS),
  string({ unit: "binary", maxLength: 5 }),
).map((parts) => parts.join(""));

/** Fails where an attack changes the number of lines in the sink's output, or puts an invisible character into it. */
async function check(sink: (text: string) => string | Promise<string>, runs = 30): Promise<void> {
  const linesOf = (text: string): number => text.split("\n").length;
  const want = linesOf(await sink("plain"));
  await holds(
    asyncProperty(hostile, async (text) => {
      const output = await sink(text);
      assert.equal(linesOf(output), want, JSON.stringify(output));
      const odd = output.replaceAll(/[\n\t]/g, "");
      assert.ok(!UNSEEN.test(odd), JSON.stringify(odd));
    }),
    { numRuns: runs, examples: ATTACKS.map((attack) => [attack]) },
  );
}

function hostileReading(text: string): Reading {
  const interner = new Interner();
  const attributes = [{ key: text, value: text }];
  const point = { attributes, bounds: [], boundTexts: [] };
  const buckets = { attributes, bounds: [1], boundTexts: [text] };
  const gauge = interner.family({ name: text, kind: "gauge", unit: text, help: text, points: [point] });
  const histogram = interner.family({
    name: text,
    kind: "histogram",
    unit: text,
    help: text,
    points: [buckets],
  });
  return {
    resource: { key: text, attributes },
    schema: interner.schema([gauge, histogram]),
    values: Float64Array.of(1, 2, 3, 4, 5, 6),
    timeMs: 1_700_000_000_000,
    startMs: 0,
  };
}

function collected(): { output: LineOutput; text(): string } {
  const parts: string[] = [];
  const output = new LineOutput((bytes) => {
    parts.push(bytes.toString());
    return bytes.length;
  }, new FakeClock());
  return { output, text: () => parts.join("") };
}

for (const encoding of ["console", "json"] as const) {
  test(`no name, value or error adds a line to the ${encoding} log or is invisible in one`, async () => {
    await check((text) => {
      const { output, text: written } = collected();
      const logger = createLogger({ level: "info", encoding, initialFields: { [text]: text } }, output);
      logger.info({ value: text, nested: { [text]: [text] } }, "Value.");
      logger.child({ pod: text }).error({ error: new Error(text) }, "Failed.");
      const lines = written().trimEnd().split("\n");
      if (encoding === "json") assert.equal(JSON.parse(lines[0] ?? "").value, text);
      return written();
    });
  });
}

/** Returns the code from the bracket at `open` to its closing bracket. */
function bracketed(code: string, open: number): string {
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if ("({[".includes(code.charAt(at))) depth++;
    if (")}]".includes(code.charAt(at)) && --depth === 0) return code.slice(open, at + 1);
  }
  return code.slice(open);
}

test("messages of the log are constants, since the console encoding does not escape their line feeds", () => {
  const sources = join(import.meta.dirname, "../../src");
  const made: string[] = [];
  let calls = 0;
  for (const file of readdirSync(sources, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
    const code = readFileSync(join(sources, file), "utf8");
    for (const { index, 0: call } of code.matchAll(/\blogger\??\.(?:debug|info|warn|error)\(/g)) {
      calls++;
      const args = bracketed(code, index + call.length - 1).replace(/^\(\s*\{.*\},/s, "(");
      if (/`[^`]*\$\{/.test(args)) made.push(`${file}: ${args.replaceAll(/\s+/g, " ")}`);
    }
  }
  assert.ok(calls > 50, String(calls));
  assert.deepEqual(made, [
    // The command's name is in the package, so that no other one can write it.
    "agent.ts: ( `Starting ${build.command}...`)",
    // It makes invisible characters visible, and its lines are meant for people.
    'exporters/debug/factory.ts: (fields, text === "" ? message : `${message}\\n${text}`)',
  ]);
});

test("messages of Node and of libraries are written like the agent's own log lines", async () => {
  await check((text) => {
    const { output, text: written } = collected();
    const log = new ProcessLog(output);
    log.attach(createLogger({ level: "info", encoding: "console", initialFields: {} }, log));
    const heard = new Map<string, (...args: unknown[]) => void>();
    const source = {
      on: (event: string, listener: (...args: never[]) => void) =>
        heard.set(event, listener as (...args: unknown[]) => void),
      removeAllListeners: () => {},
    };
    captureWarnings(source, (line) => log.say(line));
    endOnUncaught(
      source,
      (line) => log.say(line),
      () => {},
    );
    heard.get("warning")?.(Object.assign(new Error(text), { name: text, code: text }));
    heard.get("uncaughtException")?.(new Error(text), "uncaughtException");
    consoleInto((line) => log.say(line)).error(`${text}.`);
    return written();
  });
});

test("a fault shows its file, path, text and source line visibly", async () => {
  await check((text) =>
    renderFault({
      origin: { file: text, line: 1, column: 2, source: `a${text}` },
      path: [text, 0],
      message: `got "${text}"`,
    }),
  );
});

for (const verbosity of ["basic", "normal", "detailed"]) {
  test(`the debug exporter writes ${verbosity} readings visibly`, async () => {
    await check((text) => {
      const { output, text: written } = collected();
      const logger = createLogger({ level: "info", encoding: "console", initialFields: {} }, output);
      const config = debug.schema.parse({ verbosity });
      const exporter = debug.create(config, testSettings({ logger }));
      const reading = hostileReading(text);
      exporter.consume(reading);
      exporter.end({ resource: reading.resource, timeMs: 0 });
      return written();
    });
  });
}

test("lines of OTLP/JSON are written visibly", async () => {
  await check((text) => {
    const reading = hostileReading(text.toWellFormed());
    const encoder = createOtlpEncoder({ name: "test", version: "0" });
    const [request] = encoder.encode([encoder.reading(reading, undefined)], 1_000_000);
    return [...requestJson(request?.bytes ?? Buffer.alloc(0))].join("");
  });
});

test("pages and lists of sandboxes show ids, pods, reasons and directories visibly", async () => {
  await check((text) => {
    const named = text.toWellFormed();
    const pod = { namespace: named, name: named, uid: named };
    const status = sandboxStatus(named, { pod, reason: named, code: named, directory: named });
    return [statesText([status], 0), statesHtml([status], 0), idsText([status]), idsHtml([status])].join("");
  });
});

async function listening(context: TestContext): Promise<{ say(text: string): Promise<string> }> {
  let next = "";
  const server = createServer((_, response) => answerText(response, 500, next));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return {
    async say(text) {
      next = text;
      return await (await fetch(`http://127.0.0.1:${port}/`)).text();
    },
  };
}

test("a listener's plain answers show invisible characters visibly", async (context) => {
  const { say } = await listening(context);
  await check(say);
});

test("statuses show invisible characters visibly, also in JSON", async (context) => {
  const host = createHost(new FakeClock());
  host.statuses.arrange(new Map([["metrics", ["exporter:otlp"]]]), ["health_check"]);
  const extension = healthCheck.create(
    healthCheck.schema.parse({ endpoint: "127.0.0.1:0" }),
    testSettings({ id: "health_check", host }),
  );
  assert.ok(extension instanceof HealthCheck);
  await extension.start();
  context.after(() => extension.shutdown(AbortSignal.abort()));
  const { address } = extension;
  assert.ok("port" in address);
  await check(async (text) => {
    host.statuses.report("exporter", "otlp", "recoverable_error", text);
    const answer = await (await fetch(`http://127.0.0.1:${address.port}/status?verbose`)).text();
    assert.ok(answer.includes(JSON.stringify("otlp")) || JSON.parse(answer).components !== undefined);
    return answer;
  });
});

/** Runs a command with the stdout and stderr that `main.ts` gives it, and returns what it writes. */
async function spoken(
  command: typeof run,
  args: readonly string[],
  env: CommandContext["env"] = {},
): Promise<string> {
  const { output, text } = collected();
  const log = new ProcessLog(output);
  const ended = new AbortController();
  const context: CommandContext = {
    args,
    env,
    stdout: log,
    stderr: log,
    usage: process,
    stop: ended.signal,
    onHangup: () => {},
  };
  try {
    await command(context);
  } catch (error) {
    output.write(renderFault({ origin: undefined, path: [], message: (error as Error).message }));
  }
  return text();
}

test("commands show faults of arguments, files and variables visibly", async () => {
  await check((text) => spoken(validate, ["--config", text, "--set", text]), 15);
  await check(
    (text) => spoken(validate, ["--config", `yaml:${JSON.stringify({ [text]: { [text]: text } })}`]),
    15,
  );
  await check(
    (text) =>
      spoken(run, ["--config", "env:CONFIG"], { CONFIG: `{receivers: {${JSON.stringify(text)}: 1}}` }),
    15,
  );
  await check((text) => spoken(monitor, [`--${text}`]), 15);
  await check((text) => spoken(monitor, ["--listen-address", text, "--log-level", text]), 15);
});

test("print-config prints invisible characters visibly, and its YAML and JSON have the same value", async () => {
  const { parse } = await import("yaml");
  for (const format of ["yaml", "json"]) {
    await check(async (text) => {
      const given = text.toWellFormed().replaceAll(/[\n\t]/g, "");
      const config = {
        receivers: { kata: {} },
        exporters: { prometheus: { endpoint: ":0", const_labels: { a: `x${given}` } } },
        service: { pipelines: { metrics: { receivers: ["kata"], exporters: ["prometheus"] } } },
      };
      const args = ["--format", format, "--config", `yaml:${visibleYaml(config)}`];
      const printed = await spoken(printConfig, args);
      assert.equal(parse(printed).exporters.prometheus.const_labels.a, `x${given}`);
      return printed;
    }, 15);
  }
});

/** Writes YAML that may contain any text. Dollar signs are doubled, since they begin an expansion. */
function visibleYaml(config: unknown): string {
  return JSON.stringify(config).replaceAll("$", "$$$$");
}
