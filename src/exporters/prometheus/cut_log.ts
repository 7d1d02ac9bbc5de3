// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import { attributeOf, type Resource } from "../../metrics/model.ts";
import type { PageLimit } from "../../prometheus/page/limited_family.ts";

/** Says whom a page's limits cut, once for each, and when they are too small for the node. */
export class CutLog {
  readonly #settings: Settings;
  readonly #isBytesMaxSet: boolean;
  readonly #cut = new WeakMap<Resource, Set<PageLimit>>();
  readonly #tooLarge = new Set<PageLimit>();

  /** Where nobody has set a limit on the bytes, nobody has said that a page must not have more. */
  constructor(settings: Settings, { isBytesMaxSet }: { readonly isBytesMaxSet: boolean }) {
    this.#settings = settings;
    this.#isBytesMaxSet = isBytesMaxSet;
  }

  cut(resource: Resource, limit: PageLimit): void {
    const said = this.#cut.get(resource) ?? new Set();
    this.#cut.set(resource, said);
    if (said.has(limit)) return;
    said.add(limit);
    const { logger } = this.#settings;
    const fields = { ...nameOf(resource), limit, option: this.#optionOf(limit) };
    logger.warn(fields, "Sandbox has too much of the page; families of its guest are left out.");
  }

  /** One line when the page begins to be too large. */
  tooLarge(limit: PageLimit, isTooLarge: boolean): void {
    if (!isTooLarge) {
      this.#tooLarge.delete(limit);
      return;
    }
    if (this.#tooLarge.has(limit) || (limit === "page_bytes" && !this.#isBytesMaxSet)) return;
    this.#tooLarge.add(limit);
    this.#settings.logger.error(
      { limit, option: this.#optionOf(limit) },
      "The page is larger than its limit though no sandbox has too much; raise it, and that of the page's readers.",
    );
  }

  #optionOf(limit: PageLimit): string {
    return `exporters::${this.#settings.id}::limits::${limit}`;
  }
}

function nameOf(resource: Resource): { readonly sandbox: string; readonly pod?: string } {
  const sandbox = attributeOf(resource, "kata.sandbox.id") ?? resource.key;
  const pod = attributeOf(resource, "k8s.pod.name");
  return pod === undefined
    ? { sandbox }
    : { sandbox, pod: `${attributeOf(resource, "k8s.namespace.name") ?? ""}/${pod}` };
}
