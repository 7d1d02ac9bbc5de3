// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { runCli } from "../kit/node/cli_process.ts";
import { poll } from "../kit/poll.ts";
import { testFolder } from "../kit/test_folder.ts";
import { type BareAgent, startBare, startBareAgent } from "./bare_process.ts";

const LOST = "kata_collector_log_lines_lost";

/** Makes an argument for Node's `--import` out of code. */
function imported(code: string): { NODE_OPTIONS: string } {
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` };
}

/** Code that makes the agent write lines of 10 kB to its log without end. */
const TALKER = imported(
  "const words = 'x'.repeat(10_000); setInterval(() => { for (let n = 0; n < 20; n++) console.warn(words); }, 10);",
);

/** Reloads the agent, which writes a line each time, until it counts lost lines. */
async function untilLost(agent: BareAgent, reason: string): Promise<void> {
  await poll(`lines lost for ${reason}`, async () => {
    agent.child.kill("SIGHUP");
    return (await agent.counter(LOST, `reason="${reason}"`)) > 0 || undefined;
  });
}

for (const encoding of ["json", "console"] as const) {
  test(`the agent survives the death of the log's reader (${encoding})`, async (context) => {
    const agent = await startBareAgent(context, { encoding, stdio: ["ignore", "pipe", "pipe"] });
    agent.child.stdout?.destroy();
    agent.child.stderr?.destroy();
    await untilLost(agent, "no_reader");
    assert.ok(await agent.isLive());
    assert.deepEqual(await agent.stop(), [0, null]);
  });

  test(`the agent survives a full disk under its log (${encoding})`, async (context) => {
    const agent = await startBareAgent(context, { encoding, shell: 'exec "$@" 2>/dev/full >&2' });
    await untilLost(agent, "no_space");
    assert.deepEqual(await agent.stop(), [0, null]);
  });
}

test("a reader that does not read stops nothing, and the agent's memory stays bounded", async (context) => {
  const agent = await startBareAgent(context, { env: TALKER, stdio: ["ignore", "ignore", "pipe"] });
  await untilLost(agent, "backlog");
  const rss = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, "utf8"))?.[1]) / 1024;
  const before = rss();
  const lost = await agent.counter(LOST);
  await poll("50 MB to be lost", async () => (await agent.counter(LOST)) > lost + 5_000 || undefined);
  assert.ok(await agent.isLive());
  assert.ok(rss() < before + 60, `${before} MB before, ${rss()} MB after`);
  assert.deepEqual(await agent.stop(), [0, null], "nor does the end wait for the reader");
});

test("a late reader gets complete lines, and one line that says how many are missing", async (context) => {
  const fifo = join(testFolder(context), "log");
  execFileSync("mkfifo", [fifo]);
  const fd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  context.after(() => closeSync(fd));
  const agent = await startBareAgent(context, { env: TALKER, shell: `exec "$@" 2>${fifo}` });
  await untilLost(agent, "backlog");
  let log = "";
  const buffer = Buffer.alloc(65_536);
  await poll("the line about it", () => {
    try {
      for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer))
        log += buffer.toString("latin1", 0, count);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "EAGAIN");
    }
    return log.includes("Log lines were lost") || undefined;
  });
  const lines = log
    .slice(0, log.lastIndexOf("\n"))
    .split("\n")
    .map((line) => JSON.parse(line));
  const said = lines.find(({ msg }) => msg === "Log lines were lost; lines pass again.");
  assert.ok(said.lines.backlog > 0);
  assert.match(said.since, /^20/);
});

test("an agent that is started without descriptors runs", async (context) => {
  const agent = await startBareAgent(context, { shell: 'exec "$@" <&- >&- 2>&-' });
  assert.deepEqual(await agent.stop(), [0, null]);
});

/** Code that makes Node and libraries write warnings. */
const CHATTER = imported(`
  process.emitWarning("old", "DeprecationWarning", "DEP0000");
  setTimeout(() => {
    console.error("E library");
    console.log("I library");
    process.emitWarning("older", "DeprecationWarning", "DEP0001");
    new Promise((_, reject) => reject(new Error("handled late"))).catch(() => {});
  }, 300);`);

test("every line of a JSON log is JSON, also of libraries and of Node", async (context) => {
  const agent = await startBareAgent(context, {
    env: CHATTER,
    stdio: ["ignore", "pipe", "pipe"],
    configure({ exporters, service }) {
      // With TLS to an IP address, Node warns of the server name. No server listens there.
      exporters["otlp_grpc"] = { endpoint: "127.0.0.1:1", tls: { insecure_skip_verify: true } };
      service.pipelines.metrics["exporters"] = ["prometheus", "otlp_grpc"];
    },
  });
  assert.ok(agent.child.stdout !== null && agent.child.stderr !== null);
  const [stdout, stderr] = [text(agent.child.stdout), collected(agent.child.stderr)];
  await poll("the library's words", () => stderr().includes("I library") || undefined);
  assert.deepEqual(await agent.stop(), [0, null]);
  assert.equal(await stdout, "");
  const lines = stderr()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const said = (detail: string) => lines.find((line) => line.detail === detail);
  assert.deepEqual([said("old").code, said("older").level], ["DEP0000", "warn"]);
  assert.deepEqual([said("E library").level, said("I library").level], ["warn", "info"]);
});

/** The stream's text so far. */
function collected(stream: Readable): () => string {
  let all = "";
  stream.on("data", (chunk) => {
    all += String(chunk);
  });
  return () => all;
}

for (const [what, code] of [
  ["an error", 'throw new TypeError("lost")'],
  ["a promise", 'Promise.reject(new TypeError("lost"))'],
] as const) {
  test(`${what} that is not caught is a line of the log and ends the agent with 1`, async (context) => {
    const agent = await startBareAgent(context, {
      env: imported(`process.on("SIGURG", () => { ${code}; });`),
      stdio: ["ignore", "ignore", "pipe"],
    });
    assert.ok(agent.child.stderr !== null);
    const stderr = text(agent.child.stderr);
    agent.child.kill("SIGURG");
    assert.deepEqual(await agent.ended, [1, null]);
    const lines = (await stderr)
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const last = lines.at(-1);
    assert.match(last.msg, /^BUG: /);
    assert.match(last.error, /^TypeError: lost\n/);
  });
}

test("faults of a configuration are JSON where its log is JSON, and text otherwise", async () => {
  const args = ["run", "--config", "yaml:receivers: {kata: {bad: 1}}"];
  const plain = await runCli(args);
  assert.match(plain.stderr, /^yaml:1:20: receivers::kata: unknown key "bad"/m);
  const json = await runCli([...args, "--set", "service.telemetry.logs.encoding=json"]);
  const { level, faults } = JSON.parse(json.stderr);
  assert.equal(level, "error");
  assert.match(faults.join("\n"), /^yaml:1:20: receivers::kata: unknown key "bad"/m);
  assert.deepEqual([plain.code, json.code], [1, 1]);
});

test("output that cannot be written is an error and gives 1, unless the reader has closed the pipe", async () => {
  const run = async (redirect: string): Promise<readonly [number | null, string]> => {
    const child = startBare(["schema"], { shell: `"$@" ${redirect}`, stdio: ["ignore", "ignore", "pipe"] });
    assert.ok(child.stderr instanceof Readable);
    const stderr = await text(child.stderr);
    await poll("the end", () => child.exitCode !== null || undefined);
    return [child.exitCode, stderr];
  };
  const [code, said] = await run("> /dev/full");
  assert.equal(code, 1);
  assert.match(said, /^Error: cannot write to stdout: ENOSPC/);
  assert.deepEqual(await run("| true"), [0, ""]);
});

test("a slow reader of a command's output gets all of it", async () => {
  const all = (await runCli(["schema"])).stdout;
  // This is longer than the program waits for a handle that was not closed.
  const child = startBare(["schema"], {
    shell: '"$@" | { sleep 2; cat; }',
    stdio: ["ignore", "pipe", "ignore"],
  });
  assert.ok(child.stdout instanceof Readable);
  assert.equal((await text(child.stdout)).length, all.length);
});
