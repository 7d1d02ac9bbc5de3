// SPDX-License-Identifier: Apache-2.0
import type { Meter } from "@opentelemetry/api";
import type { Logger } from "pino";
import type { Clock } from "../clock/clock.ts";
import type { Interner } from "../metrics/interner.ts";
import type { Consumer } from "./consumer.ts";
import type { Host } from "./host.ts";

/**
 * A receiver, processor, exporter or extension.
 *
 * The life of a component has these phases:
 *
 * 1. Creation: its factory's `create` makes it, without side effects.
 * 2. Start: `start` is called once.
 * 3. Running: it does its work. Each reload of the configuration calls `refresh`.
 * 4. Shutdown: `shutdown` is called. The component is never started again.
 *
 * A reload makes a new component where the config of the old one, or an extension that it uses, has changed. The new
 * one starts while the old one still runs, unless both claim the same thing (`Factory.claims`, `Factory.sharedClaims`).
 * Receivers and extensions claim their ids, so of these the old one always stops first.
 */
export interface Component {
  /**
   * Starts the work.
   *
   * - It must not wait for a peer to exist: it resolves when the component works or has begun to try.
   * - Work that goes on in the background ends with `shutdown`.
   * - A rejection aborts the start of the agent, or undoes the reload. The message is for the user; the caller adds the
   *   component's name.
   */
  start(): Promise<void>;
  /**
   * Ends the work. Components that hand readings to this one have stopped, or are disconnected, by then. The component
   *
   * - takes nothing new in;
   * - hands on what it holds;
   * - ends its background work and closes what it opened;
   * - returns at once when `deadline` aborts, and counts what it still holds as lost.
   *
   * Must be safe without `start`, after a `start` that rejected, and when called again.
   */
  shutdown(deadline: AbortSignal): Promise<void>;
  /**
   * Reads the files that the config names, such as certificates, again. If a file cannot be used, the component
   *
   * - goes on with the old content;
   * - says so by `Statuses.outdated`;
   * - tries again until the file can be used;
   * - rejects.
   *
   * A call may still run when `shutdown` is called. Components that read no files leave this out.
   */
  refresh?(): Promise<void>;
}

/** Makes readings and hands them on. */
export type Receiver = Component;
/** Takes the readings of one component and hands them to the next. */
export type Processor = Component & Consumer;
/** Takes readings and brings them out of the agent. */
export type Exporter = Component & Consumer;
/** Does work outside of the pipelines. */
export type Extension = Component;

/** Everything that a component gets from the agent, apart from its config. */
export interface Settings {
  /** The id in the config: `type` or `type/name`. */
  readonly id: string;
  /** Writes the component's kind and id on every line. */
  readonly logger: Logger;
  /** Makes instruments for the agent's own metrics. A component makes each instrument once, when it is created. */
  readonly meter: Meter;
  readonly clock: Clock;
  /** Shared by all components of the agent. */
  readonly interner: Interner;
  readonly host: Host;
  readonly build: BuildInfo;
  /** The environment of the process, for settings that are only there, such as proxies. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The name and version of the program. */
export interface BuildInfo {
  readonly command: string;
  readonly description: string;
  readonly version: string;
}
