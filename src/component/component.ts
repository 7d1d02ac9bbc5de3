// SPDX-License-Identifier: Apache-2.0
import type { Meter } from "@opentelemetry/api";
import type { Logger } from "pino";
import type { Clock } from "../clock/clock.ts";
import type { Interner } from "../metrics/interner.ts";
import type { Consumer } from "./consumer.ts";
import type { Host } from "./host.ts";

/** A part of the agent with a beginning and an end. */
export interface Component {
  /**
   * Returns when the component can do its work or has begun to try: it must not wait for a peer to exist. Work that
   * goes on belongs to the background and ends with `shutdown`. A rejection aborts the agent's start.
   */
  start(): Promise<void>;
  /**
   * Stops intake, hands on what is held, ends background work and closes what was opened. Safe without `start`
   * and when called again. When `deadline` aborts, it must return at once and count what it leaves behind as lost.
   */
  shutdown(deadline: AbortSignal): Promise<void>;
  /**
   * Reads again the files that its config names, such as certificates. Rejects where that fails: the component then goes
   * on with what it had, says so by `Statuses::outdated`, and tries again until the files are good.
   */
  refresh?(): Promise<void>;
}

export type Receiver = Component;
export type Processor = Component & Consumer;
export type Exporter = Component & Consumer;
export type Extension = Component;

/** What a component gets from the agent, beside its config. */
export interface Settings {
  /** As in the config: `type` or `type/name`. */
  readonly id: string;
  /** Carries the component's kind and id on every line. */
  readonly logger: Logger;
  /** For the agent's own metrics; instruments are made once, when the component is made. */
  readonly meter: Meter;
  readonly clock: Clock;
  readonly interner: Interner;
  readonly host: Host;
  readonly build: BuildInfo;
  /** The process's environment, for what is named there and nowhere else, such as a proxy. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface BuildInfo {
  readonly command: string;
  readonly description: string;
  readonly version: string;
}
