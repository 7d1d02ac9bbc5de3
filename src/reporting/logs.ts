// SPDX-License-Identifier: Apache-2.0
import { type Logger, pino } from "pino";
import type { ConcealedTexts } from "../text/concealed.ts";
import { visible, visibleLines } from "../text/visible.ts";

export interface LogSettings {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly encoding: "console" | "json";
  /** Put on every line; plain data. */
  readonly initialFields: Readonly<Record<string, unknown>>;
}

/** What a logger must not write, and what it writes in its place. */
export type Concealed = Pick<ConcealedTexts, "conceal">;

/** Where text goes. It may be dropped; nothing is thrown. */
export interface TextOutput {
  write(text: string): unknown;
}

/**
 * The agent's logger. "json" writes one object a line, "console" the tab-separated form that Collector users know. No name,
 * value or error's text makes a line of its own. A message does, on the console, if it has line feeds: it is a constant, except
 * that of the debug exporter, which writes visibly what it puts in.
 */
export function createLogger(settings: LogSettings, output: TextOutput, concealed?: Concealed): Logger {
  const { level, encoding } = settings;
  // pino takes some names of its base for its own, and calls what others stand for; as text, any name is a name.
  const initial = Object.entries(settings.initialFields)
    .map((pair) => `,${pair.map((part) => JSON.stringify(part)).join(":")}`)
    .join("");
  return pino(
    {
      level,
      base: null,
      messageKey: "msg",
      timestamp: () => `,"ts":"${new Date().toISOString()}"${initial}`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {
        error: (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : error),
      },
    },
    {
      write(line) {
        const shown = concealed === undefined ? line : concealedLine(line, concealed, settings);
        output.write(encoding === "json" ? `${visible(shown.trimEnd())}\n` : consoleLine(shown));
      },
    },
  );
}

/** A logger and those made of it, whose level can change while they are in use. */
export class LoggerFamily {
  readonly root: Logger;
  /** Held weakly: components come and go with every reload. */
  #children: WeakRef<Logger>[] = [];

  constructor(root: Logger) {
    this.root = root;
  }

  /** A logger that puts the fields on every line. */
  child(fields: Readonly<Record<string, string>>): Logger {
    const child = this.root.child(fields);
    this.#children = [...this.#children.filter((ref) => ref.deref() !== undefined), new WeakRef(child)];
    return child;
  }

  setLevel(level: LogSettings["level"]): void {
    this.root.level = level;
    for (const ref of this.#children) {
      const child = ref.deref();
      if (child !== undefined) child.level = level;
    }
  }
}

/**
 * A line of pino's without what is concealed. What the user puts on every line stays, and so do the names of components, and
 * the message, which is a constant or what the debug exporter is there to show.
 */
function concealedLine(line: string, concealed: Concealed, { initialFields }: LogSettings): string {
  if (concealed.conceal(line) === line) return line;
  const fields = Object.entries(JSON.parse(line) as Record<string, unknown>).map(([key, value]) => {
    const stays = OWN_FIELDS.has(key) || key.startsWith("otelcol.") || Object.hasOwn(initialFields, key);
    return [key, stays ? value : withoutConcealed(value, concealed)] as const;
  });
  return JSON.stringify(Object.fromEntries(fields));
}

const OWN_FIELDS: ReadonlySet<string> = new Set(["level", "ts", "msg"]);

function withoutConcealed(value: unknown, concealed: Concealed): unknown {
  if (typeof value === "string") return concealed.conceal(value);
  if (Array.isArray(value)) return value.map((item) => withoutConcealed(item, concealed));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, withoutConcealed(inner, concealed)]),
  );
}

/** A line of pino's as `time<TAB>level<TAB>message<TAB>{fields}`. Logs are rare, so clarity comes first. */
function consoleLine(line: string): string {
  const { level, ts, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const columns = [ts, level, msg];
  if (Object.keys(fields).length > 0) columns.push(visible(JSON.stringify(fields)));
  return visibleLines(`${columns.join("\t")}\n`);
}
