// SPDX-License-Identifier: Apache-2.0
import type {
  ExporterFactory,
  ExtensionFactory,
  ProcessorFactory,
  ReceiverFactory,
  Stability,
} from "../component/factory.ts";

/** A component of this build. Its code is imported only if a config names it. */
export interface CatalogEntry<F> {
  readonly stability: Stability;
  /** Other names of the type, such as the Collector's older ones. */
  readonly aliases: readonly string[];
  load(): Promise<F>;
}

/** The components of one kind, by type. */
export type CatalogSection<F> = Readonly<Record<string, CatalogEntry<F>>>;

/** The components of a build, by kind and type. `registry.ts` has the catalog that the agent runs with. */
export interface Catalog {
  readonly receivers: CatalogSection<ReceiverFactory<unknown>>;
  readonly processors: CatalogSection<ProcessorFactory<unknown>>;
  readonly exporters: CatalogSection<ExporterFactory<unknown>>;
  readonly extensions: CatalogSection<ExtensionFactory<unknown>>;
}
