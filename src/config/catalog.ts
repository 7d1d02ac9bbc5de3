// SPDX-License-Identifier: Apache-2.0
import type {
  ExporterFactory,
  ExtensionFactory,
  ProcessorFactory,
  ReceiverFactory,
  Stability,
} from "../component/factory.ts";

/** A component of this build; its code is imported only when a config names it. */
export interface CatalogEntry<F> {
  readonly stability: Stability;
  /** Other names that mean the same; the Collector's older ones among them. */
  readonly aliases: readonly string[];
  load(): Promise<F>;
}

export type CatalogSection<F> = Readonly<Record<string, CatalogEntry<F>>>;

/** All components of this build, by kind and type. `registry.ts` holds the one that the agent runs with. */
export interface Catalog {
  readonly receivers: CatalogSection<ReceiverFactory<unknown>>;
  readonly processors: CatalogSection<ProcessorFactory<unknown>>;
  readonly exporters: CatalogSection<ExporterFactory<unknown>>;
  readonly extensions: CatalogSection<ExtensionFactory<unknown>>;
}
