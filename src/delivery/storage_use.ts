// SPDX-License-Identifier: Apache-2.0
import type { ExtensionUse } from "../component/extension_use.ts";
import type { QueueConfig } from "./config.ts";

/** Names the storage extension that the queue's config refers to, if there is one. */
export function storageUse({ storage }: QueueConfig): readonly ExtensionUse[] {
  if (storage === undefined) return [];
  return [{ id: storage, role: "storage", path: ["sending_queue", "storage"] }];
}
