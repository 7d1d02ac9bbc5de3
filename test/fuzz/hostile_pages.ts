// SPDX-License-Identifier: Apache-2.0
import { createPage, type SimulatedPage } from "../../src/simulator/pages.ts";
import { seededRandom, shuffled } from "../../src/simulator/random.ts";
import { type Forgery, hostileText, oddCount } from "./hostile_text.ts";
import { below, mutate, pick } from "./mutate.ts";

/** The attacker: a guest writes only its part of the page; a shim that was taken over writes the whole page. */
export type Author = "guest" | "shim";

/**
 * The value of every forged line, by author. A guest's forged lines must not be on the page under a name of the shim's own
 * families, and nobody's under a name of the agent's.
 */
export const MARKS: Readonly<Record<Author, string>> = { guest: "66613666", shim: "77713777" };

export interface HostilePageOptions {
  readonly flavor: "go" | "rs";
  readonly author: Author;
  /** The seed of the page. */
  readonly seed: number;
  /** Labels, as text, that claim that a sample is another sandbox's. */
  readonly victim: string;
}

export interface HostilePage {
  readonly bytes: Buffer;
  /** The names of what was done to the page, for the report of a failure. */
  readonly tricks: readonly string[];
}

/** The blocks of a page: the shim's own, which the guest cannot change, and the guest's. */
interface Parts {
  readonly host: readonly string[];
  readonly guest: readonly string[];
}

const GUEST_BLOCK = /^# HELP kata_(guest|agent)_/;

function partsOf(page: SimulatedPage): Parts {
  const blocks = page
    .render()
    .toString("latin1")
    .split(/(?=^# HELP )/m);
  return {
    host: blocks.filter((block) => !GUEST_BLOCK.test(block)),
    guest: blocks.filter((block) => GUEST_BLOCK.test(block)),
  };
}

function nameOf(block: string): string {
  return block.split(" ")[2] ?? "";
}

/** Returns the names of the shim's own families on the agent's page. */
export function hostFamilies(flavor: "go" | "rs"): ReadonlySet<string> {
  const { host } = partsOf(createPage({ flavor, seed: 1 }));
  return new Set(host.map((block) => nameOf(block).replace(/^(?=go_|process_)/, "kata_shim_")));
}

type Alteration = (blocks: string[], forgery: Forgery) => void;

/** Changes of the blocks of an honest page. */
const ALTERATIONS: Readonly<Record<string, Alteration>> = {
  other_type: (blocks, { random }) =>
    change(blocks, random, (block) =>
      block.replace(
        /^# TYPE (\S+) .*$/m,
        `# TYPE $1 ${pick(["gauge", "counter", "histogram", "summary", "untyped", "info"], random)}`,
      ),
    ),
  odd_values: (blocks, { random }) =>
    change(blocks, random, (block) =>
      block.replaceAll(/^([^#].*) \S+$/gm, (line, series) =>
        random() < 0.5 ? line : `${series} ${oddCount(random)}`,
      ),
    ),
  no_headers: (blocks, { random }) => change(blocks, random, (block) => block.replaceAll(/^#.*\n/gm, "")),
  headers_last: (blocks, { random }) =>
    change(blocks, random, (block) => block.replace(/^((?:#.*\n)+)((?:.|\n)*)$/, "$2$1")),
  headers_between: (blocks, { random }) =>
    change(blocks, random, (block) => block.replaceAll(/^(#.*\n)((?:.*\n){2})/gm, "$1$2$1")),
  block_twice: (blocks, { random }) => {
    blocks.splice(below(blocks.length + 1, random), 0, pick(blocks, random));
  },
  block_split: (blocks, { random }) => {
    const at = below(blocks.length, random);
    const lines = (blocks[at] ?? "").split(/(?<=\n)/);
    const half = 1 + below(lines.length, random);
    blocks[at] = lines.slice(0, half).join("");
    blocks.splice(below(blocks.length + 1, random), 0, lines.slice(half).join(""));
  },
  carriage_returns: (blocks, { random }) => change(blocks, random, (block) => block.replaceAll("\n", "\r\n")),
  label_on_all: (blocks, { random, victim }) => {
    const label = pick([victim, 'item="x"', 'le="1"', 'exported_sandbox_id="x"', '__name__="up"'], random);
    change(blocks, random, (block) => block.replaceAll(/^([a-z]\w*)\{/gm, `$1{${label},`));
  },
  lines_shuffled: (blocks, { random }) =>
    change(blocks, random, (block) => shuffled(block.split(/(?<=\n)/), random).join("")),
  renamed: (blocks, { random, hostNames }) => {
    const name = pick(
      [...hostNames, "up", "kata_collector_sandbox_up", "kata_guest_x0", "kata_guest_x0_sum"],
      random,
    );
    change(blocks, random, (block) => block.replaceAll(nameOf(block) || "none", name));
  },
  no_last_line_feed: (blocks) => {
    blocks.push((blocks.pop() ?? "").replace(/\n$/, ""));
  },
  open_end: (blocks, { random, hostNames }) => {
    const name = pick(hostNames, random);
    blocks.push(
      pick(
        [`# TYPE ${name} histogram\n`, `# HELP ${name} `, `${name}{a="`, `${name} `, "# ", "\\", '"'],
        random,
      ),
    );
  },
  all_blocks_shuffled: (blocks, { random }) => {
    blocks.splice(0, blocks.length, ...shuffled(blocks, random));
  },
};

function change(blocks: string[], random: () => number, edit: (block: string) => string): void {
  const at = below(blocks.length, random);
  blocks[at] = edit(blocks[at] ?? "");
}

const ALTERATION_NAMES = Object.keys(ALTERATIONS);

/** Inserts the text between two blocks, or between two lines of a block. */
function insert(blocks: string[], text: string, random: () => number): void {
  const at = below(blocks.length, random);
  if (random() < 0.6) {
    blocks.splice(random() < 0.3 ? blocks.length : at, 0, text);
    return;
  }
  const lines = (blocks[at] ?? "").split(/(?<=\n)/);
  lines.splice(below(lines.length + 1, random), 0, text);
  blocks[at] = lines.join("");
}

function spoil(blocks: readonly string[], forgery: Forgery): { text: Buffer; tricks: string[] } {
  const { random } = forgery;
  const spoiled = [...blocks];
  const tricks: string[] = [];
  const times = 1 + Math.floor(random() ** 2 * 20);
  for (let i = 0; i < times; i++) {
    if (random() < 0.5) {
      const trick = pick(ALTERATION_NAMES, random);
      tricks.push(trick);
      ALTERATIONS[trick]?.(spoiled, forgery);
    } else {
      const { trick, text } = hostileText(forgery);
      tricks.push(trick);
      insert(spoiled, text, random);
    }
  }
  let text = Buffer.from(spoiled.join(""), "latin1");
  if (random() < 0.25) {
    tricks.push("mutated");
    text = Buffer.from(mutate(text, random));
  }
  return { text, tricks };
}

/** Makes a hostile page. The seed also decides the values and the order of its honest parts. */
export function hostilePage({ flavor, author, seed, victim }: HostilePageOptions): HostilePage {
  const random = seededRandom(seed);
  const sizes = random() < 0.8 ? { disks: 1, guestInterfaces: 1, vmstatItems: ["pgfault", "oom_kill"] } : {};
  const { host, guest } = partsOf(createPage({ flavor, seed: below(4, random), ...sizes }));
  const forgery: Forgery = {
    random,
    mark: MARKS[author],
    victim,
    hostNames: host.map(nameOf),
    guestNames: guest.map(nameOf),
  };
  if (author === "shim") {
    const { text, tricks } = spoil(flavor === "go" ? [...host, ...guest] : [...guest, ...host], forgery);
    return { bytes: text, tricks };
  }
  const { text, tricks } = spoil(guest, forgery);
  const hostText = Buffer.from(host.join(""), "latin1");
  // A guest's text passes through Go's encoder, which begins every family with a TYPE line.
  const border = Buffer.from("# TYPE kata_agent_border gauge\n");
  return { bytes: Buffer.concat(flavor === "go" ? [hostText, border, text] : [text, hostText]), tricks };
}
