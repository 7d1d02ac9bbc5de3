// SPDX-License-Identifier: Apache-2.0
import type {
  ExporterFactory,
  ExtensionFactory,
  ProcessorFactory,
  ReceiverFactory,
} from "../component/factory.ts";
import type { TelemetryConfig } from "../telemetry/config.ts";
import type { ConcealedTexts } from "../text/concealed.ts";
import type { PipelineConfig } from "./service.ts";

/** A configured component: its factory, and what the factory's schema made of the user's words. */
export interface ComponentConfig<F> {
  /** As the user wrote it: `type` or `type/name`. */
  readonly id: string;
  /** The registry's name of the type, also where the user wrote an older one. */
  readonly type: string;
  readonly factory: F;
  readonly config: unknown;
}

/** A config without a fault: everything it names is there. */
export interface AgentConfig {
  readonly receivers: ReadonlyMap<string, ComponentConfig<ReceiverFactory<unknown>>>;
  readonly processors: ReadonlyMap<string, ComponentConfig<ProcessorFactory<unknown>>>;
  readonly exporters: ReadonlyMap<string, ComponentConfig<ExporterFactory<unknown>>>;
  readonly extensions: ReadonlyMap<string, ComponentConfig<ExtensionFactory<unknown>>>;
  readonly service: {
    readonly extensions: readonly string[];
    readonly pipelines: ReadonlyMap<string, PipelineConfig>;
    readonly shutdownTimeoutMs: number;
    readonly telemetry: TelemetryConfig;
  };
  /** Values that came out of variables and files; people see their references. */
  readonly concealed: ConcealedTexts;
}

/** A config without a fault, before it is known which of its values are to be concealed. */
export type CheckedConfig = Omit<AgentConfig, "concealed">;
