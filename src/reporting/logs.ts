// SPDX-License-Identifier: Apache-2.0
import { type Logger, pino } from "pino";
import type { ConcealedTexts } from "../text/concealed.ts";
import { visible, visibleLines } from "../text/visible.ts";

/** The form of a log, as in `service::telemetry::logs`. */
export interface LogSettings {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly encoding: "console" | "json";
  /** Plain data that is put on every line. */
  readonly initialFields: Readonly<Record<string, unknown>>;
}

/** Replaces texts that a logger must not write. */
export type Concealed = Pick<ConcealedTexts, "conceal">;

/** Takes text. It may drop the text, but never throws. */
export interface TextOutput {
  write(text: string): unknown;
}

/**
 * Makes a logger. The encoding "json" writes one object per line, and "console" the tab-separated form of the Collector.
 *
 * No field can break a line in two: hidden characters are escaped. Only the line feeds of a message stay, and only with
 * "console". Messages are constants, except those of the debug exporter, which escapes the readings in them.
 */
export function createLogger(settings: LogSettings, output: TextOutput, concealed?: Concealed): Logger {
  const { level, encoding } = settings;
  // pino gives some names of fields in `base` a meaning, and calls serializers for others. The user's fields are
  // written as a text in `timestamp`, where neither happens.
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

/** A logger and its children. Their level can change while they are in use. */
export class LoggerFamily {
  readonly root: Logger;
  /** Weak references, so that the logger of a component that a reload has removed can be collected. */
  #children: WeakRef<Logger>[] = [];

  constructor(root: Logger) {
    this.root = root;
  }

  /** Returns a logger that puts the fields on every line. */
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
 * Returns a line of pino without concealed texts. The user's initial fields and the names of components stay, and so does the
 * message, which is a constant or the readings that the debug exporter is there to show.
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

/** Returns a line of pino as `time<TAB>level<TAB>message<TAB>{fields}`. Lines are rare, so this need not be fast. */
function consoleLine(line: string): string {
  const { level, ts, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const columns = [ts, level, msg];
  if (Object.keys(fields).length > 0) columns.push(visible(JSON.stringify(fields)));
  return visibleLines(`${columns.join("\t")}\n`);
}
