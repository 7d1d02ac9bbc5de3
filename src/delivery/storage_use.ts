// SPDX-License-Identifier: Apache-2.0
import type { ExtensionUse } from "../component/extension_use.ts";
import type { QueueConfig } from "./config.ts";

/** The storage that keeps an exporter's queue, where it has one. */
export function storageUse({ storage }: QueueConfig): readonly ExtensionUse[] {
  if (storage === undefined) return [];
  return [{ id: storage, role: "storage", path: ["sending_queue", "storage"] }];
}
