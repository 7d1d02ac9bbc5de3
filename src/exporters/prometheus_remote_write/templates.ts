// SPDX-License-Identifier: Apache-2.0
import { WeakValues } from "../../metrics/weak_values.ts";
import type { SeriesIdentity } from "./identity.ts";
import { outlineRequests } from "./outline_requests.ts";
import type { ReadingPlan } from "./reading_plan.ts";
import type { MessageVersion } from "./record.ts";
import { requestSeries } from "./request_series.ts";
import { compileTemplate, type RequestTemplate } from "./template.ts";

export interface TemplateOptions {
  readonly version: MessageVersion;
  /** Of the largest request, before it is compressed. */
  readonly requestBytesMax: number;
}

/** Compiles the requests of each plan once for all resources of one shape. */
export class Templates {
  readonly #options: TemplateOptions;
  /** By blocks of a plan and key of a shape. Identities hold their templates; without any they are garbage. */
  readonly #shared = new WeakMap<ReadingPlan["blocks"], WeakValues<readonly RequestTemplate[]>>();

  constructor(options: TemplateOptions) {
    this.#options = options;
  }

  of(identity: SeriesIdentity, plan: ReadingPlan): readonly RequestTemplate[] {
    const known = identity.templates.get(plan.blocks);
    if (known !== undefined) return known;
    let shared = this.#shared.get(plan.blocks);
    if (shared === undefined) {
      shared = new WeakValues();
      this.#shared.set(plan.blocks, shared);
    }
    let templates = shared.get(identity.shape.key);
    if (templates === undefined) {
      templates = this.#compile(identity, plan);
      shared.set(identity.shape.key, templates);
    }
    identity.templates.set(plan.blocks, templates);
    return templates;
  }

  /** Where there are several requests, each has its share of the reading's points, and the shares make up the whole. */
  #compile({ shape }: SeriesIdentity, { blocks, points }: ReadingPlan): RequestTemplate[] {
    const { version, requestBytesMax: bytesMax } = this.#options;
    const drafts = outlineRequests(requestSeries(blocks, shape), { version, bytesMax });
    const samples = drafts.reduce((sum, draft) => sum + draft.samples, 0);
    let samplesBefore = 0;
    let pointsBefore = 0;
    return drafts.map((draft) => {
      samplesBefore += draft.samples;
      const pointsUntil = Math.floor((points * samplesBefore) / samples);
      const share = pointsUntil - pointsBefore;
      pointsBefore = pointsUntil;
      return compileTemplate({ outline: draft.finish(), version, samples: draft.samples, points: share });
    });
  }
}
