// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { duration, size } from "../../options/values.ts";
import { defaultParseLimits, type ParseLimits } from "../../prometheus/parse_limits.ts";
import { isReservedLabel } from "../../prometheus/reserved_labels.ts";
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
    sandboxes: count(4_096).describe("Sandboxes that are followed; more are left out and named in the log"),
    body_bytes: size({ minBytes: 1_024 })
      .prefault("1MiB")
      .describe(
        "A page, of which what is beyond is left out; with some 200 bytes of identity a sample it is what a sandbox adds to body_size_limit",
      ),
    page_memory_bytes: size({ minBytes: 1_024 })
      .prefault("64MiB")
      .describe("What all pages that are being received take together beyond 256 KiB each"),
    header_bytes: size({ minBytes: 256 }).prefault("16KiB").describe("The head of a shim's answer"),
    blocks: count(defaults.blocksMax).describe("Families of one page, good or bad"),
    samples: count(defaults.samplesMax).describe(
      "Samples of one page; sample_limit of the page's readers is for all sandboxes",
    ),
    line_bytes: size().prefault(defaults.lineBytesMax).describe("One line of a page"),
    labels: count(defaults.labelsMax).describe(
      "Labels of one sample; label_limit of the page's readers counts the sandbox's, the pod's and the target's too",
    ),
    name_bytes: size()
      .prefault(defaults.nameBytesMax)
      .describe("A metric's or label's name, for label_name_length_limit"),
    label_value_bytes: size()
      .prefault(defaults.labelValueBytesMax)
      .describe("A label's value, for label_value_length_limit"),
    bad_lines: count(defaults.badLinesMax).describe("Bad lines of one page; past them the rest is left out"),
    new_bytes: size()
      .prefault(defaults.newBytesMax)
      .describe(
        "Bytes of one page in lines that look as none did before; what is beyond is left out, to be read with the next page",
      ),
    new_layouts_per_minute: count(defaults.newLayoutsPerMinuteMax).describe(
      "Families of one sandbox that look as none did before; further ones are left out until the next minute",
    ),
    new_samples_per_minute: count(defaults.newSamplesPerMinuteMax).describe("Samples of such families"),
    series: count(defaults.seriesMax).describe(
      "Distinct series of one sandbox over its life; past them new ones are left out, and those that are known go on",
    ),
    layouts: count(defaults.layoutsMax).describe("Looks of families that are remembered for all sandboxes"),
    layouts_per_sandbox: count(defaults.layoutsPerSourceMax).describe("Of them, what one sandbox may bring"),
    layout_bytes: size()
      .prefault(defaults.layoutBytesMax)
      .describe("Memory for the text between the numbers, remembered for all sandboxes"),
    layout_bytes_per_sandbox: size()
      .prefault(defaults.layoutBytesPerSourceMax)
      .describe("Of it, what one sandbox may bring"),
  })
  .prefault({})
  .describe("What a guest or a node can take; exceeding one costs the excess, which is counted");

const guestLabel = z
  .string()
  .regex(/^([a-zA-Z_][a-zA-Z0-9_]*|\*)$/, "must be a label name, or *")
  .refine((name) => !isReservedLabel(name), "says whose a series is, which no guest may");

export const schema: z.ZodType<KataConfig> = z
  .strictObject({
    roots: rootsSchema,
    collection_interval: duration({ minMs: 100 })
      .prefault("15s")
      .describe("Between two scrapes of a sandbox"),
    initial_delay: duration().prefault("0s").describe("Before the first look at the roots"),
    timeout: duration({ minMs: 1_000 })
      .prefault("10s")
      .describe(
        "For one scrape; a shorter one than the guest needs can cost the guest's part of the next pages",
      ),
    concurrency: z
      .int()
      .min(1)
      .max(1_024)
      .default(16)
      .describe("Scrapes at a time, one per sandbox; one that takes over a second does not count any more"),
    reconcile_interval: duration({ minMs: 1_000 })
      .prefault("10s")
      .describe("Between two looks at the roots whatever the watcher says"),
    unsafe_hypervisors: z
      .array(z.enum(UNSAFE_HYPERVISORS))
      .default([])
      .describe(
        'runtime-rs sandboxes of these are scraped too, which on Kata up to 4.1.0 ends their pods; "unknown" is any that the agent has never heard of',
      ),
    shim_families: z
      .array(
        z
          .string()
          .regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*\*?$/, "must be a metric's name, or the start of some and *"),
      )
      .default([])
      .describe(
        "Families that shims may serve beside Kata's own, such as kata_shim_new or vendor_*; all others are left out",
      ),
    guest_labels: z
      .array(guestLabel)
      .default([])
      .describe(
        "Labels that guests may set on their families beside those that Kata uses; * for all that are not reserved",
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
