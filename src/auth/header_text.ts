// SPDX-License-Identifier: Apache-2.0
import type { z } from "zod";
import { httpHeaderName } from "../options/headers.ts";

/** Schema of a header name that is allowed over both HTTP and gRPC. It gives the name in lower case. */
export const authHeaderName: z.ZodType<string, string> = httpHeaderName
  .refine((name) => !/^grpc-|-bin$/i.test(name), {
    error: "must not begin with grpc- or end in -bin, which gRPC keeps for itself",
  })
  .transform((name) => name.toLowerCase());

/** Matches a text that can be the value of a header over HTTP and gRPC. */
export const HEADER_TEXT: RegExp = /^[ -~]*$/;

/** Returns why a text cannot be the value of a header; undefined if it can be one. */
export function rejectHeaderText(text: string): string | undefined {
  return HEADER_TEXT.test(text) ? undefined : "it holds characters that a header cannot have";
}
