// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createTestAuthority, type TestAuthority } from "../kit/certificates.ts";
import { hasProgram } from "../kit/peers.ts";
import { poll } from "../kit/poll.ts";
import { describeAccounts, watchAccounts } from "./accounts.ts";
import { configWith, drainAndBalance, EVERY_ROUTE, judgeRoutes, type Route, startRoutes } from "./routes.ts";
import type { Scale, Scenario } from "./scenario.ts";
import { PATIENT_TIMEOUT, type Scene, startScene } from "./scene.ts";
import type { WatchedAgent } from "./watched_agent.ts";

const LONG_ROUNDS = 10;
const MEANWHILE_MS = 500;
const RELOAD_INTERVAL = "100ms";
const EXCHANGED = "Certificates were exchanged.";
const NO_GOOD = "Certificates cannot be exchanged; the old ones stay in use.";

/** The files that the agent's configuration names. */
class ClientFiles {
  readonly #dir: string;
  readonly tls: Readonly<Record<string, string>>;

  constructor(dir: string) {
    this.#dir = dir;
    const file = (name: string): string => join(dir, name);
    this.tls = {
      ca_file: file("ca"),
      cert_file: file("cert"),
      key_file: file("key"),
      reload_interval: RELOAD_INTERVAL,
    };
  }

  /** Replaces the old file by another one with a rename, as tools that rotate certificates do. */
  put(name: "ca" | "cert" | "key", from: string): void {
    copyFileSync(from, join(this.#dir, "new"));
    renameSync(join(this.#dir, "new"), join(this.#dir, name));
  }

  spoil(name: "cert" | "key"): void {
    writeFileSync(join(this.#dir, name), "-----BEGIN NOTHING-----\n");
  }

  remove(name: "cert" | "key"): void {
    rmSync(join(this.#dir, name));
  }

  /** A certificate with its key. */
  give(authority: TestAuthority, name: string): void {
    this.put("key", authority.file(`${name}.key`));
    this.put("cert", authority.file(`${name}.crt`));
  }
}

interface Authorities {
  readonly ours: TestAuthority;
  /** An authority that the server does not trust. */
  readonly others: TestAuthority;
}

interface Step {
  readonly name: string;
  /** The message that each exporter logs about it. */
  readonly said: typeof EXCHANGED | typeof NO_GOOD;
  readonly change: (files: ClientFiles, authorities: Authorities) => void;
}

/** Bad pairs, each followed by a good one. A pair that the agent takes and the server refuses only delays requests. */
const STEPS: readonly Step[] = [
  {
    name: "another's key",
    said: NO_GOOD,
    change: (files, { ours }) => files.put("key", ours.file("three.key")),
  },
  { name: "no certificate", said: NO_GOOD, change: (files) => files.spoil("cert") },
  { name: "no file", said: NO_GOOD, change: (files) => files.remove("key") },
  { name: "expired", said: EXCHANGED, change: (files, { ours }) => files.give(ours, "expired") },
  { name: "a stranger's", said: EXCHANGED, change: (files, { others }) => files.give(others, "stranger") },
  {
    name: "a stranger trusted",
    said: EXCHANGED,
    change: (files, { others }) => files.put("ca", others.file("ca.crt")),
  },
];

function times(agent: WatchedAgent, { id }: Route, said: string): number {
  const lines = agent.stderr().split("\n");
  return lines.filter((line) => line.includes(said) && line.includes(`"${id}"`)).length;
}

interface Rotation {
  readonly agent: WatchedAgent;
  readonly routes: readonly Route[];
  readonly files: ClientFiles;
  readonly authorities: Authorities;
}

async function take(
  { agent, routes, files, authorities }: Rotation,
  { name, said, change }: Step,
): Promise<void> {
  const before = routes.map((route) => times(agent, route, said));
  change(files, authorities);
  for (const [index, route] of routes.entries())
    await poll(`"${said}" of ${route.id} after ${name}`, () =>
      times(agent, route, said) > (before[index] ?? 0) ? true : undefined,
    );
  await sleep(MEANWHILE_MS);
}

async function rotate(scene: Scene, authorities: Authorities, rounds: number): Promise<string> {
  const { ours } = authorities;
  const read = (name: string): Buffer => readFileSync(ours.file(name));
  const tls = { ca: read("ca.crt"), cert: read("server.crt"), key: read("server.key") };
  const files = new ClientFiles(scene.dir);
  files.put("ca", ours.file("ca.crt"));
  files.give(ours, "one");
  const specs = EVERY_ROUTE.map((spec) => ({
    ...spec,
    tls,
    exporter: { tls: files.tls, timeout: PATIENT_TIMEOUT },
  }));
  const routes = await startRoutes(scene, specs);
  const agent = await scene.start(configWith(scene, routes));
  const watch = watchAccounts(agent);
  const rotation = { agent, routes, files, authorities };
  for (let round = 0; round < rounds; round++)
    for (const [index, step] of STEPS.entries()) {
      await take(rotation, step);
      const name = index % 2 === 0 ? "two" : "one";
      const good = (): void => {
        files.put("ca", ours.file("ca.crt"));
        files.give(ours, name);
      };
      await take(rotation, { name, said: EXCHANGED, change: good });
    }
  const accounts = await drainAndBalance(scene, agent, routes);
  await watch.stop();
  for (const { id, counted } of accounts) assert.equal(counted, 0, `"${id}" loses nothing`);
  const judged = judgeRoutes(scene, routes);
  assert.equal((await agent.stop("SIGTERM")).code, 0);
  return `${describeAccounts(accounts)}\n${judged}`;
}

async function run({ seed, long, print }: Scale): Promise<void> {
  const authorities = { ours: createTestAuthority(), others: createTestAuthority() };
  const { ours, others } = authorities;
  const scene = await startScene({ seed });
  try {
    ours.issue("server", "IP:127.0.0.1");
    for (const name of ["one", "two", "three"]) ours.issue(name, `DNS:${name}.test`);
    ours.issue("expired", "DNS:expired.test", -1);
    others.issue("stranger", "DNS:stranger.test");
    print(await rotate(scene, authorities, long ? LONG_ROUNDS : 1));
  } finally {
    await scene.close();
    ours.remove();
    others.remove();
  }
}

export const rotations: Scenario = {
  name: "rotations",
  summary: "certificates that are replaced under load, by good ones and by all kinds of bad ones",
  lacks: () => (hasProgram("openssl", "version") ? undefined : "openssl"),
  run,
};
