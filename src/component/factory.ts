// SPDX-License-Identifier: Apache-2.0
import type { ZodType } from "zod";
import type { Exporter, Extension, Processor, Receiver, Settings } from "./component.ts";
import type { Consumer } from "./consumer.ts";
import type { ExtensionRole, ExtensionUse } from "./extension_use.ts";

/** The Collector's stability levels, as far as this build has them. */
export type Stability = "development" | "alpha" | "beta" | "stable";

/** A warning about a config that is accepted but will probably not do what its author meant. */
export interface Remark {
  /** The keys that lead to the option, from the top of the component's own config on. */
  readonly path: readonly string[];
  readonly message: string;
}

/**
 * Makes the components of one type. Every kind of factory below also has a `create`, which
 *
 * - gets what `schema` returned;
 * - has no side effects: it opens, reads and starts nothing;
 * - cannot fail, because the schema has found everything that can be wrong.
 */
interface Factory<Config> {
  /**
   * Checks what the user wrote and turns it into the component's config. A schema
   *
   * - accepts `{}`, or says which key is missing;
   * - sets every default;
   * - rejects keys that it does not know;
   * - marks credentials with `secret()`, so that no fault and no printed config shows them;
   * - returns camelCase names with the unit last (`intervalMs`); no code after the schema sees the names of YAML.
   */
  readonly schema: ZodType<Config>;
  readonly stability: Stability;
  /**
   * Names the things that only one component can have at a time, such as "file /a". No other component of the config
   * may claim the same thing. In a reload, a component that claims what an old one has starts after the old one has
   * stopped. Left out by components that claim nothing.
   */
  claims?(config: Config): readonly string[];
  /**
   * Names the things that components of one config can share, such as the address of a listener, but that an old and a
   * new component cannot have at the same time. Left out by components that have no such things.
   */
  sharedClaims?(config: Config): readonly string[];
  /** Names the extensions that the component needs. Left out by components that need none. */
  uses?(config: Config): readonly ExtensionUse[];
  /** Returns warnings about a config without a fault. Left out by components that never warn. */
  remarks?(config: Config): readonly Remark[];
}

/** Any factory, for a caller that needs its claims only. */
export type Claiming = Pick<Factory<unknown>, "claims" | "sharedClaims">;

/**
 * Any factory, for a caller that needs only the extensions that a component uses, or the roles that an extension has.
 */
export type Using = Pick<Factory<unknown>, "uses"> & Pick<ExtensionFactory<unknown>, "roles">;

/** Any factory, for a caller that needs its remarks only. */
export type Remarking = Pick<Factory<unknown>, "remarks">;

export interface ReceiverFactory<Config> extends Factory<Config> {
  create(config: Config, settings: Settings, next: Consumer): Receiver;
}

/** The value of an option in YAML that is neither a map nor a list. */
export type ScalarValue = string | number | boolean | null;

/**
 * Lets a processor's options be the defaults of options of the exporters in its pipelines. The processor `batch` does
 * so, since in this agent the exporters make the batches.
 */
export interface ExporterDefaults {
  /** The path of the exporter's option that gets the defaults as a map. An exporter without this option gets none. */
  readonly path: readonly string[];
  /**
   * Returns the exporter's option that corresponds to the processor's, or undefined if no option corresponds or the
   * value is faulty. Names and values are those of YAML.
   */
  translate(
    option: string,
    value: ScalarValue,
  ): { readonly option: string; readonly value: ScalarValue } | undefined;
}

export interface ProcessorFactory<Config> extends Factory<Config> {
  /**
   * Defaults for each exporter of the processor's pipelines whose config does not have the option at
   * `exporterDefaults.path`. Left out by processors without such defaults.
   */
  readonly exporterDefaults?: ExporterDefaults;
  create(config: Config, settings: Settings, next: Consumer): Processor;
}

export interface ExporterFactory<Config> extends Factory<Config> {
  create(config: Config, settings: Settings): Exporter;
}

export interface ExtensionFactory<Config> extends Factory<Config> {
  /** Returns what other components can use the extension for. Left out by extensions that no component uses. */
  roles?(config: Config): readonly ExtensionRole[];
  create(config: Config, settings: Settings): Extension;
}
