import type { Meter } from "@opentelemetry/api";
import type { Logger } from "pino";
import type { ZodType } from "zod";
import type { Clock } from "../clock/clock.ts";
import type { Interner } from "../metrics/interner.ts";
import type { Ended, Reading } from "../metrics/model.ts";

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
}

/**
 * What became of a reading: "accepted" makes the consumer answerable for it (delivered, or counted as lost under
 * a name); "refused" leaves it with the caller.
 */
export type Verdict = "accepted" | "refused";

/**
 * Takes what flows through a pipeline. Both calls return at once: a consumer that must wait keeps the reading, which
 * nobody will change. For one resource, `end` comes after all its readings, and no reading follows it unless the
 * resource comes back.
 */
export interface Consumer {
  consume(reading: Reading): Verdict;
  end(ended: Ended): void;
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
  readonly build: BuildInfo;
}

export interface BuildInfo {
  readonly command: string;
  readonly description: string;
  readonly version: string;
}

export type Stability = "development" | "alpha" | "beta" | "stable";

interface Factory<Config> {
  /** Checks and completes what the user wrote; `{}` must give the defaults or say which key is missing. */
  readonly schema: ZodType<Config>;
  readonly stability: Stability;
}

/** `create` makes the component without side effects and cannot fail: what can be wrong is the schema's to find. */
export interface ReceiverFactory<Config> extends Factory<Config> {
  create(config: Config, settings: Settings, next: Consumer): Receiver;
}

export interface ProcessorFactory<Config> extends Factory<Config> {
  create(config: Config, settings: Settings, next: Consumer): Processor;
}

export interface ExporterFactory<Config> extends Factory<Config> {
  create(config: Config, settings: Settings): Exporter;
}

export interface ExtensionFactory<Config> extends Factory<Config> {
  create(config: Config, settings: Settings): Extension;
}
