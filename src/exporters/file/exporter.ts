// SPDX-License-Identifier: Apache-2.0
import { unlessAborted } from "../../clock/abort.ts";
import type { Settings } from "../../component/component.ts";
import type { Single } from "../../component/single.ts";
import type { Send } from "../../delivery/attempt.ts";
import { createOtlpExporter } from "../../delivery/otlp_exporter.ts";
import type { PushExporter, Transport } from "../../delivery/push_exporter.ts";
import type { Answer } from "../../peer/answer.ts";
import type { FileConfig } from "./config.ts";
import { type Encoding, encodingOf } from "./encode.ts";
import { OutputFile } from "./output_file.ts";

/** Errors of opening the file that may be over at the first write. The start does not fail because of them. */
const TEMPORARY: ReadonlySet<string> = new Set([
  "EAGAIN",
  "EDQUOT",
  "EIO",
  "EMFILE",
  "ENFILE",
  "ENOMEM",
  "ENOSPC",
  "ESTALE",
  "ETIMEDOUT",
]);

/**
 * The paths of all file exporters that this agent has started. If an exporter of a reloaded config has one of them, it
 * appends to the file, also without `append`.
 */
const WRITTEN_PATHS: Single<Set<string>> = { make: () => new Set() };

/** Makes the exporter: readings become OTLP requests, which a delivery chain writes to the file as records. */
export function createFileExporter(config: FileConfig, settings: Settings): PushExporter {
  return createOtlpExporter({ type: "file", settings, config, connect: () => openFile(config, settings) });
}

async function openFile(config: FileConfig, { host, clock, logger }: Settings): Promise<Transport> {
  const { path, directoryMode, fileMode, rotation } = config;
  const encoding = encodingOf(config);
  const keep = config.keep || host.single(WRITTEN_PATHS).has(path);
  const { framing } = encoding;
  const file = new OutputFile({ path, framing, keep, directoryMode, fileMode, rotation, clock, logger });
  try {
    await file.open();
  } catch (error) {
    const { code, text } = describe(error);
    if (!TEMPORARY.has(code)) throw new Error(`cannot write to "${path}": ${text}`, { cause: error });
    logger.warn({ path, error: text }, "The file cannot be opened; trying again later.");
  }
  host.single(WRITTEN_PATHS).add(path);
  return {
    send: writer(path, encoding, file),
    // The deadline ends the wait, but the file is still closed. An error of closing is ignored, since each write
    // reports its own.
    close: (deadline) => unlessAborted(file.close(), deadline).catch(() => {}),
  };
}

function writer(path: string, encoding: Encoding, file: OutputFile): Send {
  // Each error of the file is "busy": when somebody has repaired the cause, the request is written.
  const failed = (error: unknown, signal: AbortSignal): Answer => {
    const { code, text } = signal.aborted
      ? { code: "timeout", text: "not within the timeout" }
      : describe(error);
    return { kind: "busy", status: code, error: `cannot write to "${path}": ${text}` };
  };
  return async ({ parts }, signal) => {
    let record: Buffer;
    try {
      record = await encoding.encode(Buffer.concat(parts), signal);
    } catch (error) {
      if (signal.aborted) return failed(error, signal);
      // One request of the batch is damaged. "split" makes the sender cut the batch, so that the others are written.
      return { kind: "split", status: "encoding", error: `cannot encode a request: ${String(error)}` };
    }
    try {
      await unlessAborted(file.append(record, signal), signal);
      return { kind: "delivered", rejectedPoints: 0, message: "" };
    } catch (error) {
      return failed(error, signal);
    }
  };
}

function describe(error: unknown): { readonly code: string; readonly text: string } {
  const { code = "content", message = String(error) } = error as NodeJS.ErrnoException;
  return { code, text: message };
}
