// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { duration, size } from "../../options/values.ts";
import { defaultParseLimits, type ParseLimits } from "../../prometheus/parse/parse_limits.ts";
import { isReservedLabel } from "../../prometheus/series/reserved_labels.ts";
import type { Root } from "./discovery/root.ts";
import { UNSAFE_HYPERVISORS, type UnsafeHypervisor } from "./proof/verdict.ts";
import { rootsSchema } from "./root_config.ts";
import type { ResponseLimits } from "./scraping/http_response.ts";

export interface KataConfig {
  readonly roots: readonly Root[];
  readonly intervalMs: number;
  readonly initialDelayMs: number;
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly reconcileIntervalMs: number;
  readonly unsafeHypervisors: readonly UnsafeHypervisor[];
  readonly shimFamilies: readonly string[];
  readonly guestLabels: readonly string[];
  readonly limits: ParseLimits &
    ResponseLimits & { readonly pageMemoryBytesMax: number; readonly sandboxesMax: number };
}

const defaults = defaultParseLimits;
const count = (value: number) => z.int().min(1).default(value);
const limits = z
  .strictObject({
    sandboxes: count(4_096).describe(
      "Sandboxes that are followed; further ones are left out, and the log says so",
    ),
    body_bytes: size({ minBytes: 1_024 })
      .prefault("1MiB")
      .describe(
        "One page; the rest of a longer page is left out. With some 200 bytes of identity for each sample, this is what a sandbox adds to body_size_limit",
      ),
    page_memory_bytes: size({ minBytes: 1_024 })
      .prefault("64MiB")
      .describe("Memory of all pages that are being received, beyond 256 KiB for each"),
    header_bytes: size({ minBytes: 256 }).prefault("16KiB").describe("The head of a shim's answer"),
    blocks: count(defaults.blocksMax).describe("Families of one page, good and bad ones"),
    samples: count(defaults.samplesMax).describe(
      "Samples of one page; a reader's sample_limit must fit the samples of all sandboxes together",
    ),
    line_bytes: size().prefault(defaults.lineBytesMax).describe("One line of a page"),
    labels: count(defaults.labelsMax).describe(
      "Labels of one sample; a reader's label_limit also counts the labels of the sandbox, the pod and the target",
    ),
    name_bytes: size()
      .prefault(defaults.nameBytesMax)
      .describe("The name of a metric or label; see a reader's label_name_length_limit"),
    label_value_bytes: size()
      .prefault(defaults.labelValueBytesMax)
      .describe("The value of a label; see a reader's label_value_length_limit"),
    bad_lines: count(defaults.badLinesMax).describe(
      "Bad lines of one page; after so many the rest of the page is left out",
    ),
    new_bytes: size()
      .prefault(defaults.newBytesMax)
      .describe(
        "Bytes of one page in lines of a new form; further ones are left out of this page and read with the next one",
      ),
    new_layouts_per_minute: count(defaults.newLayoutsPerMinuteMax).describe(
      "Families of one sandbox of a new form; further ones are left out until the next minute",
    ),
    new_samples_per_minute: count(defaults.newSamplesPerMinuteMax).describe(
      "Samples in families of a new form",
    ),
    series: count(defaults.seriesMax).describe(
      "Distinct series of one sandbox over its life; after so many new series are left out, and known ones go on",
    ),
    layouts: count(defaults.layoutsMax).describe("Forms of families that are remembered for all sandboxes"),
    layouts_per_sandbox: count(defaults.layoutsPerSourceMax).describe(
      "Those of them that one sandbox may bring",
    ),
    layout_bytes: size()
      .prefault(defaults.layoutBytesMax)
      .describe("Memory of the texts between the numbers, for all sandboxes"),
    layout_bytes_per_sandbox: size()
      .prefault(defaults.layoutBytesPerSourceMax)
      .describe("The part of it that one sandbox may take"),
  })
  .prefault({})
  .describe("Limits of what a guest or a node can take; what exceeds one is left out and counted");

const guestLabel = z
  .string()
  .regex(/^([a-zA-Z_][a-zA-Z0-9_]*|\*)$/, "must be a label name, or *")
  .refine((name) => !isReservedLabel(name), "says whose a series is, which no guest may");

export const kataSchema: z.ZodType<KataConfig> = z
  .strictObject({
    roots: rootsSchema,
    collection_interval: duration({ minMs: 100 })
      .prefault("15s")
      .describe("Time between two scrapes of a sandbox"),
    initial_delay: duration().prefault("0s").describe("Time before the first scan of the roots"),
    timeout: duration({ minMs: 1_000 })
      .prefault("10s")
      .describe(
        "Time for one scrape; if it is shorter than the guest needs, the guest's part of the next pages can be missing",
      ),
    concurrency: z
      .int()
      .min(1)
      .max(1_024)
      .default(16)
      .describe(
        "Scrapes at a time, one per sandbox; a scrape that takes over a second is not counted any more",
      ),
    reconcile_interval: duration({ minMs: 1_000 })
      .prefault("10s")
      .describe("Time between two scans of the roots, in addition to what the watcher reports"),
    unsafe_hypervisors: z
      .array(z.enum(UNSAFE_HYPERVISORS))
      .default([])
      .describe(
        'Hypervisors whose runtime-rs sandboxes are scraped too, which ends their pods on Kata up to 4.1.0; "unknown" is any that the agent does not know',
      ),
    shim_families: z
      .array(
        z
          .string()
          .regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*\*?$/, "must be a metric's name, or the start of some and *"),
      )
      .default([])
      .describe(
        "Families that shims may serve in addition to Kata's own, such as kata_shim_new or vendor_*; all others are left out",
      ),
    guest_labels: z
      .array(guestLabel)
      .default([])
      .describe(
        "Labels that guests may set on their families in addition to those that Kata uses; * for all that are not reserved",
      ),
    limits,
  })
  .transform((input) => ({
    roots: input.roots,
    intervalMs: input.collection_interval,
    initialDelayMs: input.initial_delay,
    timeoutMs: input.timeout,
    concurrency: input.concurrency,
    reconcileIntervalMs: input.reconcile_interval,
    unsafeHypervisors: input.unsafe_hypervisors,
    shimFamilies: input.shim_families,
    guestLabels: input.guest_labels,
    limits: {
      sandboxesMax: input.limits.sandboxes,
      bodyBytesMax: input.limits.body_bytes,
      pageMemoryBytesMax: input.limits.page_memory_bytes,
      headerBytesMax: input.limits.header_bytes,
      blocksMax: input.limits.blocks,
      samplesMax: input.limits.samples,
      lineBytesMax: input.limits.line_bytes,
      labelsMax: input.limits.labels,
      nameBytesMax: input.limits.name_bytes,
      labelValueBytesMax: input.limits.label_value_bytes,
      badLinesMax: input.limits.bad_lines,
      newBytesMax: input.limits.new_bytes,
      newLayoutsPerMinuteMax: input.limits.new_layouts_per_minute,
      newSamplesPerMinuteMax: input.limits.new_samples_per_minute,
      seriesMax: input.limits.series,
      layoutsMax: input.limits.layouts,
      layoutsPerSourceMax: input.limits.layouts_per_sandbox,
      layoutBytesMax: input.limits.layout_bytes,
      layoutBytesPerSourceMax: input.limits.layout_bytes_per_sandbox,
    },
  }));
