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

/** A component of the config: its factory, and what the factory's schema returned. */
export interface ComponentConfig<F> {
  /** The id as the user wrote it: `type` or `type/name`. */
  readonly id: string;
  /** The type's name in the registry, even if the user wrote an older name. */
  readonly type: string;
  readonly factory: F;
  readonly config: unknown;
}

/** A config without a fault: every component that it names exists. */
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
  /**
   * The values that came from variables and files. Logs and statuses show the reference in the config, such as
   * `${env:X}`, instead of the value.
   */
  readonly concealed: ConcealedTexts;
}

/** The result of `checkConfig`: an `AgentConfig` to which `loadConfig` has not yet added the values to conceal. */
export type CheckedConfig = Omit<AgentConfig, "concealed">;
