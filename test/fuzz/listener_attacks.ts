// SPDX-License-Identifier: Apache-2.0
import {
  type Crowd,
  type CrowdTarget,
  clientHello,
  crowdOfConnections,
  dripping,
  floodOfConnections,
  floodOnConnections,
  handshakes,
  slowReaders,
} from "../kit/crowd.ts";
import { below, mutate, pick } from "./mutate.ts";

/** An attack on a listener. */
export interface Attack {
  /** A description that identifies the attack. */
  readonly name: string;
  begin(): Crowd;
}

export interface AttackOptions {
  readonly random: () => number;
  readonly ports: Readonly<Record<"page" | "tls" | "health", number>>;
}

/** Addresses that no honest client uses. */
const ADDRESSES = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];
const PATHS = [
  "/x",
  "/metrics",
  "/live",
  "/ready",
  "/",
  "/sandboxes",
  "/..%2f",
  "//",
  "/metrics?filter_family=kata",
];
const METHODS = ["GET", "HEAD", "POST", "PUT", "TRACE", "OPTIONS", "M-SEARCH", "get"];
const HEADERS = [
  ...["Host: x", "Host: x\r\nHost: y", "Host:", "Host: evil.example", "Host: x\r\n folded"],
  ...["Content-Length: 5", "Content-Length: -1", "Content-Length: 1\r\nContent-Length: 2"],
  ...["Transfer-Encoding: chunked", "Transfer-Encoding: chunked, identity\r\nContent-Length: 3"],
  ...[
    "Connection: close",
    "Connection: keep-alive",
    "Connection: upgrade\r\nUpgrade: h2c",
    "Expect: 100-continue",
  ],
  ...["Accept-Encoding: gzip", "Range: bytes=0-1", "Authorization: Basic x", "\0: x", "a b: c", ": x"],
];

function request(random: () => number): string {
  const path = random() < 0.1 ? `/${"u".repeat(below(100_000, random))}` : pick(PATHS, random);
  const headers = Array.from({ length: below(4, random) }, () => pick(HEADERS, random));
  if (random() < 0.7) headers.push("Host: localhost");
  if (random() < 0.05) headers.push(...Array.from({ length: 3_000 }, (_, at) => `x${at}: y`));
  const version = pick(["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "X"], random);
  const target = random() < 0.1 ? `http://evil.example${path}` : path;
  return `${pick(METHODS, random)} ${target} ${version}\r\n${headers.map((one) => `${one}\r\n`).join("")}\r\n`;
}

type Kind = (
  target: CrowdTarget,
  perSecond: number,
  options: { random: () => number; hello: Buffer },
) => () => Crowd;

const KINDS: Readonly<Record<string, Kind>> = {
  silent: (target, perSecond) => () => crowdOfConnections(target, perSecond, ""),
  idle: (target, perSecond, { random }) => {
    const first = `GET ${pick(PATHS, random)} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    return () => crowdOfConnections(target, perSecond, first);
  },
  half: (target, perSecond, { random, hello }) => {
    const whole = random() < 0.5 ? hello : Buffer.from(request(random));
    const part = whole.subarray(0, 1 + below(whole.length, random));
    return () => crowdOfConnections(target, perSecond, part);
  },
  garbage: (target, perSecond, { random, hello }) => {
    const whole = random() < 0.5 ? hello : Buffer.from(request(random));
    const bytes = Buffer.from(mutate(whole, random));
    return () => crowdOfConnections(target, perSecond, bytes);
  },
  drips: (target, perSecond, { random, hello }) => {
    const bytes = random() < 0.5 ? hello : Buffer.from(request(random));
    return () => dripping(target, Math.min(perSecond, 100), bytes);
  },
  slow_readers: (target, perSecond, { random }) => {
    const asked = `GET ${pick(PATHS, random)} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    return () => slowReaders(target, perSecond, asked);
  },
  flood: (target, perSecond, { random }) => {
    const options = { perSecond, connections: 1 + below(16, random), request: request(random) };
    return () => floodOnConnections(target, options);
  },
  pipeline: (target, perSecond, { random }) => {
    const options = {
      perSecond: perSecond / 10,
      connections: 4,
      request: request(random).repeat(2 + below(50, random)),
    };
    return () => floodOnConnections(target, options);
  },
  connections: (target, perSecond, { random }) => {
    const asked = request(random);
    return () => floodOfConnections(target, perSecond, asked);
  },
  handshakes: (target, perSecond) => () => handshakes(target, Math.min(perSecond, 200)),
};
const KIND_NAMES = Object.keys(KINDS);

/** Chooses the attacks of one round: the seed decides what they send, to which listener and how fast. */
export async function drawAttacks({ random, ports }: AttackOptions): Promise<readonly Attack[]> {
  // Two of them differ only in their keys.
  const hello = await clientHello();
  return Array.from({ length: 1 + below(3, random) }, () => {
    const kind = pick(KIND_NAMES, random);
    const [listener, port] = pick(Object.entries(ports), random);
    const from = pick(ADDRESSES, random);
    const perSecond = pick([50, 200, 500], random);
    const begin = KINDS[kind]?.({ port, from }, perSecond, { random, hello });
    if (begin === undefined) throw new Error(`BUG: no attack "${kind}"`);
    return { name: `${kind} of ${listener} from ${from}, ${perSecond}/s`, begin };
  });
}
