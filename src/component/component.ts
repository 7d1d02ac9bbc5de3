import type { IncomingMessage, ServerResponse } from "node:http";
import type { Meter } from "@opentelemetry/api";
import type { Logger } from "pino";
import type { ZodType } from "zod";
import type { Clock } from "../clock/clock.ts";
import type { QueueSize, RequestQueue } from "../delivery/queue.ts";
import type { Listeners } from "../http/listeners.ts";
import type { Interner } from "../metrics/interner.ts";
import type { Reading } from "../metrics/model.ts";
import type { ClientAuthenticator, ServerAuthenticator } from "./authenticator.ts";
import type { Consumer } from "./consumer.ts";
import type { ExtensionRole, ExtensionUse } from "./extension_use.ts";
import type { Offers } from "./offers.ts";
import type { SandboxSource, Witnesses } from "./sandboxes.ts";

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

export interface PullOptions {
  /** Beside the pipeline's readings; one whose resource has no attributes gets no resource labels. */
  readonly own?: readonly Reading[];
  /** Only families whose names begin with one of these. */
  readonly prefixes?: readonly string[];
}

/** A page of metrics that others can serve too. */
export interface MetricsPage {
  answer(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
    options: PullOptions,
  ): Promise<void>;
}

/** Keeps queues so that they outlive the process. */
export interface QueueStorage {
  /** The queue of that name, with what is in it from earlier. Throws with words for the user. Closed by who opened it. */
  openQueue(name: string, onDamage: (lost: QueueSize, where: string) => void): RequestQueue;
}

export type ComponentKind = "receiver" | "processor" | "exporter" | "extension";

/** As the Collector's component status. The first two of the errors may pass by themselves or not; the last ends the agent. */
export type ComponentState =
  | "starting"
  | "ok"
  | "recoverable_error"
  | "permanent_error"
  | "fatal_error"
  | "stopping"
  | "stopped";

export interface ComponentStatus {
  readonly kind: ComponentKind;
  readonly id: string;
  readonly state: ComponentState;
  /** Why it is not ok; empty where it is. */
  readonly error: string;
  /** Since when it is in this state, in Unix milliseconds. */
  readonly sinceMs: number;
  /** Whether nothing but a restart of the agent mends it: liveness fails. */
  readonly needsRestart: boolean;
}

/** Details of a reported state. */
export interface StateDetails {
  /** Whether nothing but a restart of the agent mends it. */
  readonly needsRestart?: boolean;
}

/** How the components fare. The agent reports starts and stops, components report what they meet between. */
export interface Statuses {
  report(
    kind: ComponentKind,
    id: string,
    state: ComponentState,
    error?: string,
    details?: StateDetails,
  ): void;
  /**
   * Says that the component goes on with old files because the new ones are no good. Until the returned function is
   * called, its state is recoverable_error at best, whatever it reports of its work.
   */
  outdated(kind: ComponentKind, id: string, error: string): () => void;
  /**
   * Keeps the agent from being ready until the returned function is called, such as before the first look at the roots
   * or while a queue takes nothing. A peer that is down is no reason: a restart or a rollout does not mend it.
   */
  holdReadiness(kind: ComponentKind, id: string, reason: string): () => void;
  /** Why the agent is not ready, in words for the user; empty where it is. */
  unreadyReasons(): readonly string[];
  components(): readonly ComponentStatus[];
  /** The components of each pipeline, as `kind:id`. */
  pipelines(): ReadonlyMap<string, readonly string[]>;
}

/** What became of a reload: faults are in words for the user, and leave the old configuration at work. */
export interface ReloadResult {
  readonly ok: boolean;
  readonly faults: readonly string[];
}

export interface ReloadOutcome extends ReloadResult {
  /** Unix milliseconds. */
  readonly atMs: number;
}

/** Reads the configuration again and goes over to it. */
export interface ReloadControl {
  run(): Promise<ReloadResult>;
  readonly last: ReloadOutcome | undefined;
}

/** What the components of one agent share. */
export interface Host {
  readonly statuses: Statuses;
  /** Undefined where the agent has no configuration to read again. */
  readonly reload: ReloadControl | undefined;
  readonly storages: Offers<QueueStorage>;
  readonly authenticators: Offers<ClientAuthenticator>;
  readonly serverAuthenticators: Offers<ServerAuthenticator>;
  readonly listeners: Listeners;
  readonly pages: Offers<MetricsPage>;
  readonly sandboxes: Offers<SandboxSource>;
  readonly witnesses: Witnesses;
}

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

export type Stability = "development" | "alpha" | "beta" | "stable";

/** Something in a config that will probably not do what its author meant. */
export interface Remark {
  /** From the component's own options on. */
  readonly path: readonly string[];
  readonly message: string;
}

interface Factory<Config> {
  /** Checks and completes what the user wrote; `{}` must give the defaults or say which key is missing. */
  readonly schema: ZodType<Config>;
  readonly stability: Stability;
  /**
   * Names of what only one component can have at a time, such as "file /a": no other of the config may claim it, and
   * whoever claims it in a reload starts when the one before has stopped. Nothing if left out.
   */
  claims?(config: Config): readonly string[];
  /** As `claims`, of what components of one config may have together, such as a listener. */
  sharedClaims?(config: Config): readonly string[];
  /** The extensions that the component needs; none if left out. */
  uses?(config: Config): readonly ExtensionUse[];
  /** Warnings about a config without a fault. Nothing if left out. */
  remarks?(config: Config): readonly Remark[];
}

/** Any factory, for who asks for its claims. */
export type Claiming = Pick<Factory<unknown>, "claims" | "sharedClaims">;
/** Any factory, for who asks which extensions it needs, or what it is to others. */
export type Using = Pick<Factory<unknown>, "uses"> & Pick<ExtensionFactory<unknown>, "roles">;

/** Any factory, for who asks for its remarks. */
export type Remarking = Pick<Factory<unknown>, "remarks">;

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
  /** What other components can use it as, by naming it in their config. Nothing if left out. */
  roles?(config: Config): readonly ExtensionRole[];
  create(config: Config, settings: Settings): Extension;
}
