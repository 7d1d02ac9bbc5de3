// SPDX-License-Identifier: Apache-2.0
import type { PageFormat } from "../../prometheus/page/page_format.ts";

/** By format, the value of the header Content-Type. */
export const PAGE_CONTENT_TYPE: Readonly<Record<PageFormat, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/**
 * Returns OpenMetrics if the puller asks for its version 1.0.0 and prefers it to the text format, or has no preference.
 * Every other puller gets the text format.
 */
export function chooseFormat(accept: string | undefined): PageFormat {
  const quality = { text: 0, openmetrics: 0 };
  for (const item of weighted(accept ?? "")) {
    if (item.value === "application/openmetrics-text") {
      const version = item.parameters.get("version") ?? "1.0.0";
      if (version === "1.0.0") quality.openmetrics = Math.max(quality.openmetrics, item.quality);
    } else if (item.value === "text/plain" || item.value === "text/*" || item.value === "*/*") {
      quality.text = Math.max(quality.text, item.quality);
    }
  }
  return quality.openmetrics > 0 && quality.openmetrics >= quality.text ? "openmetrics" : "text";
}

/** Whether the puller accepts gzip, by name or by `*`, with a quality above 0. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  const items = weighted(acceptEncoding ?? "");
  const item =
    items.find(({ value }) => value === "gzip" || value === "x-gzip") ??
    items.find(({ value }) => value === "*");
  return item !== undefined && item.quality > 0;
}

interface Weighted {
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** From 0, which means "not this", to 1. */
  readonly quality: number;
}

/**
 * Returns the items of a header with their qualities, by RFC 9110, section 12.4.2. Their number needs no limit here,
 * since the server limits the length of headers.
 */
function weighted(header: string): Weighted[] {
  return header.split(",").map((item) => {
    const [value = "", ...rest] = item.split(";").map((part) => part.trim().toLowerCase());
    const parameters = new Map(rest.map(parameter));
    const quality = Number(parameters.get("q") ?? "1");
    return { value, parameters, quality: quality >= 0 && quality <= 1 ? quality : 0 };
  });
}

function parameter(text: string): [string, string] {
  const [key = "", value = ""] = text.split("=");
  return [key.trim(), value.trim().replaceAll('"', "")];
}
