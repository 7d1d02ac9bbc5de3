// SPDX-License-Identifier: Apache-2.0
/** A format of the Prometheus page that a puller can ask for. */
export type Format = "text" | "openmetrics";

/** The two formats, one of them compressed and one not, so that both ways of making a page are tested. */
const HEADERS: Readonly<Record<Format, Readonly<Record<string, string>>>> = {
  text: { accept: "text/plain;version=0.0.4", "accept-encoding": "identity" },
  openmetrics: { accept: "application/openmetrics-text;version=1.0.0", "accept-encoding": "gzip" },
};

/** A page of the agent as a puller got it. */
export interface PulledPage {
  readonly format: Format;
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Pulls the page of the listener at `address` ("127.0.0.1:port"). */
export async function pull(address: string, format: Format): Promise<PulledPage> {
  const response = await fetch(`http://${address}/metrics`, { headers: HEADERS[format] });
  const contentType = response.headers.get("content-type") ?? "";
  return { format, status: response.status, contentType, body: await response.text() };
}
