import { type Logger, pino } from "pino";
import { visible, visibleLines } from "../text/visible.ts";

export interface LogSettings {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly encoding: "console" | "json";
  /** Put on every line; plain data. */
  readonly initialFields: Readonly<Record<string, unknown>>;
}

/** Where text goes. It may be dropped; nothing is thrown. */
export interface TextOutput {
  write(text: string): unknown;
}

/**
 * The agent's logger. "json" writes one object a line, "console" the tab-separated form that Collector users know. No name,
 * value or error's text makes a line of its own. A message does, on the console, if it has line feeds: it is a constant, except
 * that of the debug exporter, which writes visibly what it puts in.
 */
export function createLogger(settings: LogSettings, output: TextOutput): Logger {
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
    encoding === "json"
      ? { write: (line) => void output.write(`${visible(line.trimEnd())}\n`) }
      : consoleOutput(output),
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

/** Rewrites pino's JSON lines: `time<TAB>level<TAB>message<TAB>{fields}`. Logs are rare, so clarity comes first. */
function consoleOutput(output: TextOutput): { write(line: string): void } {
  return {
    write(line) {
      const { level, ts, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
      const columns = [ts, level, msg];
      if (Object.keys(fields).length > 0) columns.push(visible(JSON.stringify(fields)));
      output.write(visibleLines(`${columns.join("\t")}\n`));
    },
  };
}
