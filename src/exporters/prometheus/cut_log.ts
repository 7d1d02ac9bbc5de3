// SPDX-License-Identifier: Apache-2.0
import type { Settings } from "../../component/component.ts";
import { attributeOf, type Resource } from "../../metrics/model.ts";
import type { PageLimit } from "../../prometheus/page/limited_family.ts";

/** Logs which resources a page's limits cut, once for each resource, and when a limit is too small for the node. */
export class CutLog {
  readonly #settings: Settings;
  readonly #isBytesMaxSet: boolean;
  readonly #cut = new WeakMap<Resource, Set<PageLimit>>();
  readonly #tooLarge = new Set<PageLimit>();

  /**
   * `isBytesMaxSet` says whether the config sets the limit on bytes. If not, `tooLarge` logs nothing about this limit,
   * since honest sandboxes may exceed the default.
   */
  constructor(settings: Settings, { isBytesMaxSet }: { readonly isBytesMaxSet: boolean }) {
    this.#settings = settings;
    this.#isBytesMaxSet = isBytesMaxSet;
  }

  /** Logs that the limit cut the resource, if this was not logged before. */
  cut(resource: Resource, limit: PageLimit): void {
    const said = this.#cut.get(resource) ?? new Set();
    this.#cut.set(resource, said);
    if (said.has(limit)) return;
    said.add(limit);
    const { logger } = this.#settings;
    const fields = { ...nameOf(resource), limit, option: this.#optionOf(limit) };
    logger.warn(fields, "Sandbox has too much of the page; families of its guest are left out.");
  }

  /**
   * Must be called with every page. Logs an error when pages begin to be larger than the limit although no resource can
   * be cut.
   */
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
