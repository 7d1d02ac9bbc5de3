// SPDX-License-Identifier: Apache-2.0
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested here
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadFake, refused, warned, withOptions } from "./fake_catalog.ts";

const ENV = {
  WORD: "hunter2",
  SHORT: "h2",
  URL: "http://user1:hunter2@hunter.example/hunter/path?token=hunter3",
  LIST: "[hunter2, {hunter3: hunter4}]",
  TEXTS: "hunter2,hunter3",
  MAP: "{hunter2: hunter3, headers: hunter4}",
  NUMBER: "1234567",
};

/** The faults of these options, of which none may show a value. */
async function check(options: string, ...want: readonly string[]): Promise<void> {
  const given = { files: { f: withOptions(options) }, env: ENV };
  await refused(given, ...want.map((line) => `f:1:${line}`));
  const { warnings, ...loaded } = await loadFake(given);
  assert.ok(!loaded.ok);
  assert.doesNotMatch(JSON.stringify([loaded.faults, warnings]), /hunter|"h2"|1234567/, options);
}

const MODES = 'must be one of "basic", "normal", "detailed"';

test("a fault shows the reference of a value from outside", async () => {
  await check("mode: '${env:WORD}'", `26: receivers::kata::mode: ${MODES}, got the value of "\${env:WORD}"`);
  await check("mode: '${SHORT}'", `26: receivers::kata::mode: ${MODES}, got the value of "\${SHORT}"`);
  await check("mode: 'a-${WORD}'", `26: receivers::kata::mode: ${MODES}, got the value of "a-\${WORD}"`);
  const duration = 'must be a duration such as "15s" or "1m30s"';
  await check(
    "interval: '${WORD}'",
    `30: receivers::kata::interval: ${duration}, got the value of "\${WORD}"`,
  );
  await check(
    "interval: '${WORD}s'",
    `30: receivers::kata::interval: ${duration}, got the value of "\${WORD}s"`,
  );
  await check("count: '${WORD}'", '27: receivers::kata::count: must be a number, got the value of "${WORD}"');
  await check(
    "ratio: '${NUMBER}'",
    '27: receivers::kata::ratio: must be at most 1, got the value of "${NUMBER}"',
  );
  const listen = 'must be "host:port", ":port" or "unix:///path"';
  await check("listen: 'h/${WORD}'", `28: receivers::kata::listen: ${listen}, got the value of "h/\${WORD}"`);
});

test("a fault shows the reference of a value in a list or a map, and of a whole list or map", async () => {
  const absolute = "must be an absolute path";
  await check(
    "roots: ['${WORD}']",
    `28: receivers::kata::roots::0: ${absolute}, got the value of "\${WORD}"`,
  );
  await check(
    "roots: '${TEXTS}'",
    `27: receivers::kata::roots::0: ${absolute}, got the value of "\${TEXTS}"`,
    `27: receivers::kata::roots::1: ${absolute}, got the value of "\${TEXTS}"`,
  );
  await check("name: ['${WORD}']", "20: receivers::kata::name: must be a text, got a list");
  await check(
    "tls: '${MAP}'",
    '25: receivers::kata::tls: unknown key "${MAP}"; the keys are insecure, ca_file',
    '25: receivers::kata::tls: unknown key "${MAP}"; the keys are insecure, ca_file',
  );
});

test("a secret's reference is shown where nothing of the secret is in the config itself", async () => {
  await check("token: ['${WORD}']", "20: receivers::kata::token: must be a text, got [REDACTED]");
  await check(
    "headers: '${WORD}'",
    '29: receivers::kata::headers: must be a map, got the value of "${WORD}"',
  );
  await check("headers: 'literal${WORD}'", "29: receivers::kata::headers: must be a map, got [REDACTED]");
  await check(
    "headers: '${NONE:-literal}${WORD}'",
    "29: receivers::kata::headers: must be a map, got [REDACTED]",
  );
});

test("a template keeps its references where a URL of the config would lose its secrets", async () => {
  await check(
    "mode: 'http://${WORD}:${WORD}@h/${WORD}?token=${WORD}'",
    `26: receivers::kata::mode: ${MODES}, got the value of "http://\${WORD}:\${WORD}@h/\${WORD}?token=\${WORD}"`,
  );
  await check(
    "mode: 'http://u:hunter9@h/?token=hunter9&a=${WORD}'",
    `26: receivers::kata::mode: ${MODES}, got the value of "http://[REDACTED]@h/?token=[REDACTED]&a=\${WORD}"`,
  );
});

test("a reference that is made of values is shown as it is written", async () => {
  await check(
    "name: '${env:${WORD}-}'",
    '26: receivers::kata::name: environment variable "${WORD}-" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$',
  );
  await check(
    "name: '${file:/${WORD}}'",
    '26: receivers::kata::name: cannot read file "/${WORD}": no such file',
  );
  await check(
    "name: '${${WORD}:x}'",
    '26: receivers::kata::name: scheme "${WORD}:x" is not supported in "${…}"; there are env, file and yaml',
  );
});

test("a default is a part of the config, and is shown", async () => {
  await refused(
    withOptions("mode: '${env:NONE:-normall}'"),
    `f:1:26: receivers::kata::mode: ${MODES}, got "normall"; did you mean "normal"?`,
  );
  await check(
    "mode: '${env:WORD:-normal}'",
    `26: receivers::kata::mode: ${MODES}, got the value of "\${env:WORD:-normal}"`,
  );
  await check(
    "mode: '${NONE:-${WORD}}'",
    `26: receivers::kata::mode: ${MODES}, got the value of "\${NONE:-\${WORD}}"`,
  );
});

test("warnings about a config without a fault show references too", async () => {
  const files = { f: withOptions("count: '${env:COUNT}'") };
  await warned(
    { files, env: { COUNT: "101" } },
    "f:1:27: receivers::kata::count: is more than most machines bear",
  );
  const references = `${withOptions("")}extensions: {}\n`.replace("[kata]", "['${WORD}']");
  const loaded = await loadFake({ files: { f: references }, env: ENV });
  assert.ok(!loaded.ok);
  assert.ok(
    loaded.faults.some(({ message }) => message === 'references receiver "${WORD}" which is not configured'),
  );
});
