import type { TextFormat } from "../../prometheus/text.ts";

export const CONTENT_TYPE: Readonly<Record<TextFormat, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** OpenMetrics where the puller likes it at least as much as the classic text, and takes version 1.0.0. */
export function chooseFormat(accept: string | undefined, openMetrics: boolean): TextFormat {
  if (accept === undefined || !openMetrics) return "text";
  let best: { format: TextFormat; quality: number } = { format: "text", quality: 0 };
  for (const { value, parameters, quality } of weighted(accept)) {
    const format = value === "application/openmetrics-text" ? "openmetrics" : "text";
    if (format === "text" && !/^(text\/plain|text\/\*|\*\/\*)$/.test(value)) continue;
    const version = parameters.get("version");
    if (format === "openmetrics" && version !== undefined && version !== "1.0.0") continue;
    if (quality > best.quality || (quality === best.quality && format === "openmetrics"))
      best = { format, quality };
  }
  return best.format;
}

/** Whether the puller takes gzip: named or by `*`, and not with q=0. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  let any = false;
  for (const { value, quality } of weighted(acceptEncoding ?? "")) {
    if (value === "gzip" || value === "x-gzip") return quality > 0;
    if (value === "*") any = quality > 0;
  }
  return any;
}

interface Weighted {
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

function weighted(header: string): Weighted[] {
  return header.split(",").map((item) => {
    const [value = "", ...rest] = item.split(";").map((part) => part.trim().toLowerCase());
    const parameters = new Map(
      rest.map((part) => {
        const [key = "", text = ""] = part.split("=");
        return [key.trim(), text.trim().replaceAll('"', "")] as const;
      }),
    );
    const quality = Number(parameters.get("q") ?? "1");
    return { value, parameters, quality: Number.isNaN(quality) ? 0 : quality };
  });
}
