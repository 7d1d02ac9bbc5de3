// SPDX-License-Identifier: Apache-2.0
import type { z } from "zod";
import { httpHeaderName } from "../options/headers.ts";

/** The name of a header that a request may have over HTTP and gRPC, in lower case. */
export const authHeaderName: z.ZodType<string, string> = httpHeaderName
  .refine((name) => !/^grpc-|-bin$/i.test(name), {
    error: "must not begin with grpc- or end in -bin, which gRPC keeps for itself",
  })
  .transform((name) => name.toLowerCase());

/** What the value of a header can be, whatever carries it. */
export const HEADER_TEXT: RegExp = /^[ -~]*$/;

/** Why a text cannot be in a header; undefined where it can. */
export function rejectHeaderText(text: string): string | undefined {
  return HEADER_TEXT.test(text) ? undefined : "it holds characters that a header cannot have";
}
