import type { Exporter, Host, Settings, Verdict } from "../../component/component.ts";
import { Delivery, type SendOutcome } from "../../delivery/delivery.ts";
import { type Ended, pointCount, type Reading } from "../../metrics/model.ts";
import { createOtlpEncoder } from "../../otlp/encode.ts";
import { OtlpRequests } from "../../otlp/requests.ts";
import type { FileConfig } from "./config.ts";
import { type Encoding, encodingOf } from "./encode.ts";
import { OutputFile } from "./output_file.ts";

/** What may be over when the first record comes: a start does not fail for it. */
const PASSING: ReadonlySet<string> = new Set([
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

/** By agent: the files that its exporters have taken. What a reload makes anew goes on where the last one was. */
const WRITTEN = new WeakMap<Host, Set<string>>();

function writtenBy(host: Host): Set<string> {
  const written = WRITTEN.get(host) ?? new Set();
  WRITTEN.set(host, written);
  return written;
}

/** Readings → requests (OtlpRequests) → queue, batches and retries (Delivery) → records (Encoding) → the file. */
export class FileExporter implements Exporter {
  readonly #config: FileConfig;
  readonly #settings: Settings;
  readonly #requests: OtlpRequests;
  readonly #delivery: Delivery;
  readonly #encoding: Encoding;
  readonly #file: OutputFile;
  /** Of requests that are being written, so that a full disk costs no more than writing does. */
  readonly #records = new WeakMap<Uint8Array, Buffer>();

  constructor(config: FileConfig, settings: Settings) {
    const { build, clock, logger } = settings;
    this.#config = config;
    this.#settings = settings;
    this.#encoding = encodingOf(config);
    const { path, directoryMode, rotation } = config;
    const keep = config.keep || writtenBy(settings.host).has(path);
    const { framing } = this.#encoding;
    this.#file = new OutputFile({ path, framing, keep, directoryMode, rotation, clock, logger });
    this.#delivery = new Delivery({
      type: "file",
      settings,
      config,
      random: Math.random,
      send: (bytes, _points, signal) => this.#write(bytes, signal),
    });
    this.#requests = new OtlpRequests({
      encoder: createOtlpEncoder({ name: build.command, version: build.version }),
      requestBytesMax: config.sending_queue.batch.max_size,
      marksEnds: config.staleness_markers,
      emit: (request) => this.#delivery.offer(request),
      insist: (request) => this.#delivery.insist(request),
    });
  }

  async start(): Promise<void> {
    const { path } = this.#config;
    try {
      await this.#file.open();
    } catch (error) {
      const { code, text } = describe(error);
      if (!PASSING.has(code)) throw new Error(`cannot write to "${path}": ${text}`, { cause: error });
      this.#settings.logger.warn({ path, error: text }, "The file cannot be opened; trying again later.");
    }
    writtenBy(this.#settings.host).add(path);
    await this.#delivery.start();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    await this.#delivery.shutdown(deadline);
    await unlessAborted(this.#file.close(), deadline).catch(() => {});
  }

  consume(reading: Reading): Verdict {
    return this.#requests.consume(reading);
  }

  end(ended: Ended): void {
    this.#requests.end(ended);
  }

  miss({ schema }: Reading): void {
    this.#delivery.miss(pointCount(schema));
  }

  isBlocked({ resource }: Reading): boolean {
    return this.#delivery.isBlocked(resource.key);
  }

  async #write(request: Uint8Array, signal: AbortSignal): Promise<SendOutcome> {
    let record: Buffer;
    try {
      record = this.#records.get(request) ?? (await this.#encoding.encode(request, signal));
      this.#records.set(request, record);
    } catch (error) {
      if (signal.aborted) return this.#failed(error, signal);
      return { kind: "permanent", errorType: "encoding", error: `cannot encode a request: ${String(error)}` };
    }
    try {
      await unlessAborted(this.#file.append(record, signal), signal);
      return { kind: "delivered", rejectedPoints: 0, message: "" };
    } catch (error) {
      return this.#failed(error, signal);
    }
  }

  /** Whatever is wrong with a file, somebody can put it right. */
  #failed(error: unknown, signal: AbortSignal): SendOutcome {
    const { code, text } = signal.aborted
      ? { code: "timeout", text: "not within the timeout" }
      : describe(error);
    return {
      kind: "retryable",
      errorType: code,
      error: `cannot write to "${this.#config.path}": ${text}`,
      delayMs: 0,
    };
  }
}

function describe(error: unknown): { readonly code: string; readonly text: string } {
  const { code = "content", message = String(error) } = error as NodeJS.ErrnoException;
  return { code, text: message };
}

/** Rejects as soon as the signal aborts; the work then ends by itself. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let stop = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
