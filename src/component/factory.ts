// SPDX-License-Identifier: Apache-2.0
import type { ZodType } from "zod";
import type { Exporter, Extension, Processor, Receiver, Settings } from "./component.ts";
import type { Consumer } from "./consumer.ts";
import type { ExtensionRole, ExtensionUse } from "./extension_use.ts";

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

/** An option as written in YAML, where it is neither a map nor a list. */
export type ScalarValue = string | number | boolean | null;

/** Options of a processor that tell the exporters of its pipelines what to do, as their defaults. */
export interface ExporterDefaults {
  /** Where the map for them is among an exporter's options. Exporters that have no such option are left alone. */
  readonly path: readonly string[];
  /** The exporter's option for one of the processor's, both as in YAML; undefined where it has none, or the value is faulty. */
  translate(
    option: string,
    value: ScalarValue,
  ): { readonly option: string; readonly value: ScalarValue } | undefined;
}

export interface ProcessorFactory<Config> extends Factory<Config> {
  /** Applied to the exporters of the processor's pipelines that have nothing of their own there. Nothing if left out. */
  readonly exporterDefaults?: ExporterDefaults;
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
