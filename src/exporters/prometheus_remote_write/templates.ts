// SPDX-License-Identifier: Apache-2.0
import { memoized } from "../../metrics/memoized.ts";
import { WeakValues } from "../../metrics/weak_values.ts";
import { buildRequests } from "./build_requests.ts";
import type { EncodedResource } from "./encoded_resource.ts";
import type { ReadingPlan } from "./reading_plan.ts";
import type { MessageVersion } from "./record.ts";
import { requestSeries } from "./request_series.ts";
import { compileTemplate, type RequestTemplate } from "./template.ts";

/** The version and the size of requests. */
export interface TemplateOptions {
  readonly version: MessageVersion;
  /** The size of the largest request before it is compressed. */
  readonly requestBytesMax: number;
}

/** Compiles the requests of each plan once for all resources with the same label layout. */
export class Templates {
  readonly #options: TemplateOptions;
  /**
   * By resource and blocks of a plan, the templates that the resource uses. They are referred to here, so that they
   * stay alive while `#sharedOf` refers to them weakly.
   */
  readonly #usedBy = memoized(
    (_: EncodedResource) => new WeakMap<ReadingPlan["blocks"], readonly RequestTemplate[]>(),
  );
  /**
   * By blocks of a plan and key of a label layout, the templates of all resources with this layout. Templates that no
   * resource uses any more are garbage.
   */
  readonly #sharedOf = memoized((_: ReadingPlan["blocks"]) => new WeakValues<readonly RequestTemplate[]>());

  constructor(options: TemplateOptions) {
    this.#options = options;
  }

  of(resource: EncodedResource, plan: ReadingPlan): readonly RequestTemplate[] {
    const used = this.#usedBy(resource);
    const known = used.get(plan.blocks);
    if (known !== undefined) return known;
    const shared = this.#sharedOf(plan.blocks);
    const { key } = resource.layout;
    let templates = shared.get(key);
    if (templates === undefined) {
      templates = this.#compile(resource, plan);
      shared.set(key, templates);
    }
    used.set(plan.blocks, templates);
    return templates;
  }

  /** If a plan needs several requests, each counts a share of the reading's points. The shares add up to all points. */
  #compile({ layout }: EncodedResource, { blocks, points }: ReadingPlan): RequestTemplate[] {
    const { version, requestBytesMax: bytesMax } = this.#options;
    const builders = buildRequests(requestSeries(blocks, layout), { version, bytesMax });
    const samples = builders.reduce((sum, builder) => sum + builder.samples, 0);
    let samplesBefore = 0;
    let pointsBefore = 0;
    return builders.map((builder) => {
      samplesBefore += builder.samples;
      const pointsUntil = Math.floor((points * samplesBefore) / samples);
      const share = pointsUntil - pointsBefore;
      pointsBefore = pointsUntil;
      const outline = builder.finish();
      return compileTemplate({ outline, version, samples: builder.samples, points: share });
    });
  }
}
