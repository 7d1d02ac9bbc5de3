// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "pino";
import { visibleLines } from "../text/visible.ts";
import type { LineLossReason, LineOutput } from "./line_output.ts";
import { createLogger, type LogSettings, type TextOutput } from "./logs.ts";

/** A line of the log from a part of the process that has no logger, such as a library. */
export interface StrayLine {
  readonly level: LogSettings["level"];
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** The log of the process. It takes the text of the agent's logger, and gives stray lines the same form. */
export interface LogOutput extends TextOutput {
  /** Sets the logger that writes stray lines, also those that came before, and reports of lost lines. */
  attach(logger: Logger): void;
  /** The number of lines lost so far, by reason. */
  lost(): ReadonlyMap<LineLossReason, number>;
}

/** How many stray lines wait for the configuration, which sets their form. If there are more, they get the default form. */
const EARLY_LINES_MAX = 100;

/** Writes the log of the process to an output, with hidden characters made visible. */
export class ProcessLog implements LogOutput {
  readonly #output: LineOutput;
  #logger: Logger | undefined;
  #early: StrayLine[] = [];
  #stopListening: () => void = () => {};

  constructor(output: LineOutput) {
    this.#output = output;
  }

  write(text: string): void {
    this.#output.write(visibleLines(text));
  }

  lost(): ReadonlyMap<LineLossReason, number> {
    return this.#output.lost;
  }

  attach(logger: Logger): void {
    this.#logger = logger;
    this.#stopListening();
    this.#stopListening = this.#output.listen({
      onPassing: ({ lines, sinceMs }) =>
        logger.error(
          { lines, since: new Date(sinceMs).toISOString() },
          "Log lines were lost; lines pass again.",
        ),
    });
    for (const line of this.#early.splice(0)) this.say(line);
  }

  say(line: StrayLine): void {
    if (this.#logger !== undefined) this.#logger[line.level](line.fields, line.message);
    else if (this.#early.push(line) > EARLY_LINES_MAX) this.#attachDefault();
  }

  /** Writes everything that waits, at the end of the process. Resolves at the deadline at the latest. */
  async drain(deadline: AbortSignal): Promise<void> {
    if (this.#early.length > 0) this.#attachDefault();
    await this.#output.drain(deadline);
  }

  #attachDefault(): void {
    this.attach(createLogger({ level: "info", encoding: "console", initialFields: {} }, this));
  }
}
