// SPDX-License-Identifier: Apache-2.0
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested here
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePort } from "../kit/free_port.ts";
import { runCli } from "../kit/node/cli_process.ts";
import { startNode } from "../kit/node/simulated_node.ts";
import { poll } from "../kit/poll.ts";

const SECRET = "hunter2-in-a-path";

test("an exporter that cannot push shows the reference instead of the token in its URL, in the log and in the status", async (context) => {
  const dir = await mkdtemp(join(tmpdir(), "texts-"));
  context.after(() => rm(dir, { recursive: true }));
  const token = join(dir, "token");
  await writeFile(token, `${SECRET}\n`);
  const health = `127.0.0.1:${await freePort()}`;
  const node = await startNode({
    configure(config) {
      config.exporters["otlp_http"] = {
        endpoint: `http://127.0.0.1:1/\${file:${token}}/v1`,
        retry_on_failure: { enabled: false },
      };
      config.service.pipelines["metrics"]?.["exporters"]?.push("otlp_http");
      Object.assign(config, { extensions: { health_check: { endpoint: health } } });
      Object.assign(config.service, { extensions: ["health_check"] });
    },
  });
  context.after(() => node.close());
  const line = await poll("a line about a failed push", () =>
    node.agent
      .stderr()
      .split("\n")
      .find((one) => one.includes("otlp_http") && one.includes("ECONNREFUSED")),
  );
  assert.ok(line.includes(`http://127.0.0.1:1/\${file:${token}}/v1`), line);
  const status = await poll("a status with the failure", async () => {
    const text = await (await fetch(`http://${health}/status?verbose`)).text();
    return text.includes("ECONNREFUSED") ? text : undefined;
  });
  assert.ok(!status.includes(SECRET), status);
  await node.agent.stop();
  assert.ok(!node.agent.stderr().includes(SECRET), node.agent.stderr());
});

test("neither an argument nor a variable can control the terminal or add a line", async () => {
  const attack = "\u001b[2J\u202e\u0085\nforged.yaml:1:1: fine";
  for (const args of [
    ["validate", "--config", attack],
    ["validate", "--config", "env:CONFIG"],
    [attack],
    ["monitor", `--${attack}`],
    ["monitor", "--log-level", attack],
    ["simulate", "--flavor", attack, "--dir", "/nowhere"],
    ["print-config", "--format", attack],
  ]) {
    const { code, stdout, stderr } = await runCli(args, { CONFIG: `{"${attack.replace("\n", "\\n")}": 1}` });
    assert.notEqual(code, 0, args.join(" "));
    const written = stdout + stderr;
    for (const odd of ["\u001b", "\u202e", "\u0085", "\nforged"])
      assert.ok(!written.includes(odd), JSON.stringify(written));
  }
});
