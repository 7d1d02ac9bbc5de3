// SPDX-License-Identifier: Apache-2.0
import type { Counter } from "@opentelemetry/api";
import type { Processor, Settings } from "../../component/component.ts";
import type { Consumer, NoRoom } from "../../component/consumer.ts";
import type { CriEndpoints } from "../../cri/endpoint.ts";
import type { Pod } from "../../cri/pod.ts";
import { type Attribute, attributeOf, type Ended, type Reading, type Resource } from "../../metrics/model.ts";
import { compileExtract, type Extract, type ExtractConfig } from "./extract.ts";
import { RuntimeWatch } from "./watch.ts";

export interface CriMetadataConfig {
  readonly endpoints: CriEndpoints;
  /** The deadline of one call to the runtime at first. It grows after time-outs. */
  readonly timeoutMs: number;
  /** How long the first readings of a sandbox are held; 0 holds none. */
  readonly waitMs: number;
  readonly extract: ExtractConfig;
  /** Patterns of the runtime handlers whose pods have a sandbox directory. */
  readonly kataHandlers: readonly string[];
}

/**
 * The most readings of one sandbox that are held. When there are this many, all of them are passed on before `wait` is
 * over.
 */
const HELD_READINGS_MAX = 16;

/** A sandbox, from its first reading to its end. */
interface Sandbox {
  readonly id: string;
  /** The resource with the receiver's attributes. */
  source: Resource;
  /** The resource with the pod's attributes too, as far as they are known. */
  named: Resource;
  /** The resource of the last reading that was passed on; undefined before the first. */
  sent: Resource | undefined;
  /** The pod's attributes; empty until the pod is known. */
  attributes: readonly Attribute[];
  /** The readings that wait for the pod; undefined if none wait. */
  hold: Hold | undefined;
}

interface Hold {
  readonly readings: Reading[];
  readonly cancelTimer: () => void;
}

/**
 * Adds the pod's attributes, as the container runtime knows them, to each sandbox's resource. The first readings of a
 * sandbox are held until its pod is known, at most for `wait`, so that a series does not change its attributes. If the
 * pod becomes known later, the sandbox is ended with its old attributes, just before it goes on with the new ones. The
 * runtime adds and removes no sandbox.
 */
export class CriMetadataProcessor implements Processor {
  readonly #config: CriMetadataConfig;
  readonly #settings: Settings;
  readonly #next: Consumer;
  readonly #extract: Extract;
  readonly #watch: RuntimeWatch;
  /** All sandboxes, by the key of the resource. */
  readonly #sandboxes = new Map<string, Sandbox>();
  /** The sandboxes whose pod is not known, by id. There may be several sandboxes of one id, under different roots. */
  readonly #unnamed = new Map<string, Set<Sandbox>>();
  readonly #renamed: Counter;
  readonly #metricAttributes: Readonly<Record<string, string>>;
  #holding = true;

  constructor(config: CriMetadataConfig, settings: Settings, next: Consumer) {
    this.#config = config;
    this.#settings = settings;
    this.#next = next;
    this.#extract = compileExtract(config.extract);
    this.#metricAttributes = { processor: settings.id };
    this.#watch = new RuntimeWatch({
      endpoints: config.endpoints,
      timeoutMs: config.timeoutMs,
      kataHandlers: config.kataHandlers,
      settings,
      sandboxIds: () => Array.from(this.#sandboxes.values(), ({ id }) => id),
      onPod: (pod) => this.#name(pod),
    });
    this.#renamed = settings.meter.createCounter("otelcol_processor_cri_metadata_renamed_sandboxes", {
      unit: "{sandbox}",
      description: "Number of sandboxes whose pod became known only after readings had gone on without it.",
    });
  }

  start(): Promise<void> {
    this.#watch.start();
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    this.#holding = false;
    this.#watch.close();
    for (const sandbox of this.#sandboxes.values()) this.#release(sandbox);
    return Promise.resolve();
  }

  noRoom(resourceKey: string): NoRoom | undefined {
    return this.#next.noRoom(resourceKey);
  }

  consume(reading: Reading): void {
    const sandbox = this.#sandboxes.get(reading.resource.key) ?? this.#admit(reading.resource);
    if (sandbox === undefined) {
      this.#next.consume(reading);
    } else if (sandbox.hold === undefined) {
      this.#pass(sandbox, reading);
    } else {
      sandbox.hold.readings.push(reading);
      if (sandbox.hold.readings.length >= HELD_READINGS_MAX) this.#release(sandbox);
    }
  }

  end(ended: Ended): void {
    const sandbox = this.#sandboxes.get(ended.resource.key);
    if (sandbox === undefined) {
      this.#next.end(ended);
      return;
    }
    this.#release(sandbox);
    this.#sandboxes.delete(ended.resource.key);
    this.#forget(sandbox);
    this.#next.end({ resource: sandbox.sent ?? sandbox.named, timeMs: ended.timeMs });
  }

  /** Notes a new sandbox. Returns undefined if the resource is no sandbox; its readings pass unchanged. */
  #admit(source: Resource): Sandbox | undefined {
    const id = attributeOf(source, "kata.sandbox.id");
    if (id === undefined) return undefined;
    const sandbox: Sandbox = { id, source, named: source, sent: undefined, attributes: [], hold: undefined };
    this.#sandboxes.set(source.key, sandbox);
    const isHeld = this.#holding && this.#config.waitMs > 0;
    if (!isHeld) this.#nameAsKnown(sandbox);
    if (!this.#holding) return sandbox;
    if (isHeld) {
      const cancelTimer = this.#settings.clock.after(this.#config.waitMs, () => this.#release(sandbox));
      sandbox.hold = { readings: [], cancelTimer };
    }
    const others = this.#unnamed.get(id);
    if (others !== undefined) others.add(sandbox);
    else {
      this.#unnamed.set(id, new Set([sandbox]));
      this.#watch.want(id);
    }
    return sandbox;
  }

  /** Gives the pod's attributes to its sandboxes, and passes on their readings. */
  #name(pod: Pod): void {
    const sandboxes = this.#unnamed.get(pod.id);
    if (sandboxes === undefined) return;
    this.#unnamed.delete(pod.id);
    const attributes = this.#extract(pod);
    for (const sandbox of sandboxes) {
      if (setAttributes(sandbox, attributes) && sandbox.sent !== undefined)
        this.#renamed.add(1, this.#metricAttributes);
      this.#release(sandbox);
    }
  }

  /**
   * Gives the sandbox the names of its pod that an earlier list or another processor's list had, without labels and
   * annotations. After a reload, nothing more is known of a pod that the runtime no longer lists; while the runtime is
   * down, nothing more is known of any pod.
   */
  #nameAsKnown(sandbox: Sandbox): void {
    const known = this.#watch.podOf(sandbox.id);
    if (known === undefined) return;
    const pod = { id: sandbox.id, ...known, labels: new Map(), annotations: new Map() };
    setAttributes(sandbox, this.#extract(pod));
  }

  /** Ends the hold and passes on the held readings, in their order. */
  #release(sandbox: Sandbox): void {
    const { hold } = sandbox;
    if (hold === undefined) return;
    hold.cancelTimer();
    sandbox.hold = undefined;
    if (this.#unnamed.get(sandbox.id)?.has(sandbox) === true) this.#nameAsKnown(sandbox);
    for (const reading of hold.readings) this.#pass(sandbox, reading);
  }

  #pass(sandbox: Sandbox, reading: Reading): void {
    if (reading.resource !== sandbox.source) {
      sandbox.source = reading.resource;
      sandbox.named = enrich(reading.resource, sandbox.attributes);
    }
    const resource = sandbox.named;
    if (sandbox.sent !== resource) {
      // The old resource is ended only now, just before the reading that replaces its last one, so that the sandbox has
      // no gap between the two.
      if (sandbox.sent !== undefined) this.#next.end({ resource: sandbox.sent, timeMs: reading.timeMs });
      sandbox.sent = resource;
    }
    this.#next.consume({ ...reading, resource });
  }

  #forget(sandbox: Sandbox): void {
    const others = this.#unnamed.get(sandbox.id);
    if (others === undefined) return;
    others.delete(sandbox);
    if (others.size > 0) return;
    this.#unnamed.delete(sandbox.id);
    this.#watch.forget(sandbox.id);
  }
}

/** Sets the pod's attributes. Returns whether they differ from those that the sandbox had. */
function setAttributes(sandbox: Sandbox, attributes: readonly Attribute[]): boolean {
  const textOf = (all: readonly Attribute[]): string =>
    JSON.stringify(all.map(({ key, value }) => [key, value]));
  if (textOf(attributes) === textOf(sandbox.attributes)) return false;
  sandbox.attributes = attributes;
  sandbox.named = enrich(sandbox.source, attributes);
  return true;
}

/** Adds the pod's attributes behind the source's own. An attribute that the source has already is not replaced. */
function enrich(source: Resource, attributes: readonly Attribute[]): Resource {
  if (attributes.length === 0) return source;
  const added = attributes.filter(({ key }) => attributeOf(source, key) === undefined);
  return { key: source.key, attributes: [...source.attributes, ...added] };
}
