// SPDX-License-Identifier: Apache-2.0
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { PYTHON } from "../peers.ts";
import type { Format } from "../pulled_page.ts";

/** The result of parsing a page. */
export interface Verdict {
  /** The parser's error; null where it accepts the page. */
  readonly fault: string | null;
  /** The number of samples that the parser found. */
  readonly samples: number;
}

/** A parser of another project, in a process that reads page after page. */
export interface ForeignParser {
  readonly name: string;
  readonly formats: readonly Format[];
  judge(page: string, format: Format): Promise<Verdict>;
  close(): Promise<void>;
}

export interface ForeignParsers {
  readonly parsers: readonly ForeignParser[];
  /** The names of the parsers that are not installed here. */
  readonly missing: readonly string[];
  close(): Promise<void>;
}

const PYTHON_CLIENT = "Python with prometheus_client";
const GO_CLIENT = "Go with the modules of Prometheus' parser";

/** Starts every parser whose program is installed. */
export async function startForeignParsers(): Promise<ForeignParsers> {
  const dir = await mkdtemp(join(tmpdir(), "parsers-"));
  const [python, go] = await Promise.all([startPython(), startGo(dir)]);
  const found = [python ?? PYTHON_CLIENT, go ?? GO_CLIENT];
  const parsers = found.filter((one) => typeof one !== "string");
  return {
    parsers,
    missing: found.filter((one) => typeof one === "string"),
    async close() {
      for (const parser of parsers) await parser.close();
      await rm(dir, { recursive: true });
    },
  };
}

async function startPython(): Promise<ForeignParser | undefined> {
  const script = join(import.meta.dirname, "judge_page.py");
  return await startParser(PYTHON_CLIENT, ["openmetrics", "text"], [PYTHON, script]);
}

async function startGo(dir: string): Promise<ForeignParser | undefined> {
  const program = join(dir, "expfmt_judge");
  const cwd = join(import.meta.dirname, "expfmt_judge");
  try {
    await promisify(execFile)("go", ["build", "-o", program, "."], { cwd });
  } catch {
    // Go is not installed, or it has the modules neither at hand nor from the network.
    return undefined;
  }
  return await startParser(GO_CLIENT, ["text"], [program]);
}

/** Starts a parser; returns undefined where its program does not accept an empty page. */
async function startParser(
  name: string,
  formats: readonly Format[],
  [program = "", ...argv]: readonly string[],
): Promise<ForeignParser | undefined> {
  const parser = new ParserProcess(
    { name, formats },
    spawn(program, argv, { stdio: ["pipe", "pipe", "ignore"] }),
  );
  try {
    await parser.judge("", "text");
  } catch {
    await parser.close();
    return undefined;
  }
  return parser;
}

class ParserProcess implements ForeignParser {
  readonly name: string;
  readonly formats: readonly Format[];
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;

  constructor(
    { name, formats }: Pick<ForeignParser, "name" | "formats">,
    process: ChildProcessByStdio<Writable, Readable, null>,
  ) {
    this.name = name;
    this.formats = formats;
    this.#process = process;
    this.#answers = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
    this.#exited = once(process, "close").catch(() => undefined);
    process.on("error", () => {}); // Its answers end, too.
    process.stdin.on("error", () => {});
  }

  /** Parses one page; the caller waits before it gives the next one. Rejects where the process has ended. */
  async judge(page: string, format: Format): Promise<Verdict> {
    const bytes = Buffer.from(page);
    this.#process.stdin.write(`${format} ${bytes.length}\n`);
    this.#process.stdin.write(bytes);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`cannot ask ${this.name}: its process has ended`);
    return JSON.parse(value) as Verdict;
  }

  async close(): Promise<void> {
    this.#process.stdin.end();
    await this.#exited;
  }
}
