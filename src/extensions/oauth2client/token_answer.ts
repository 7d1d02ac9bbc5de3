// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { HEADER_TEXT } from "../../auth/header_text.ts";
import { LastingError } from "../../auth/lasting_error.ts";
import { describeStatus, type PushAnswer, toLogText } from "../../http_client/answer.ts";
import { meaningOfHttp } from "../../peer/answer.ts";
import type { Token } from "./token_cache.ts";

/** An answer with a token (RFC 6749, section 5.1). Some servers write `expires_in` as a text. */
const granted = z.object({
  access_token: z.string().min(1).regex(HEADER_TEXT),
  token_type: z.string().regex(HEADER_TEXT).default("Bearer"),
  expires_in: z.coerce.number().positive().optional().catch(undefined),
});

/** An answer that refuses a token (RFC 6749, section 5.2). */
const refused = z.object({ error: z.string(), error_description: z.string().optional() });

/**
 * Reads the answer of a token endpoint. If the answer has no token, throws an error with the reason. The message has
 * none of the answer's secrets.
 */
export function readTokenAnswer(answer: PushAnswer): Token {
  const body = parseJson(answer);
  if (answer.status < 200 || answer.status > 299) throw failureOf(answer, body);
  const parsed = granted.safeParse(body);
  if (!parsed.success) {
    const what = body === undefined ? "it is no JSON" : "there is no access_token that a header can have";
    throw new LastingError(`the answer is no token: ${what}`);
  }
  const { access_token, token_type, expires_in } = parsed.data;
  // Some receivers accept the scheme in its usual spelling only.
  const scheme = token_type.toLowerCase() === "bearer" ? "Bearer" : token_type;
  return {
    authorization: `${scheme} ${access_token}`,
    lifetimeMs: expires_in === undefined ? undefined : expires_in * 1_000,
  };
}

function failureOf(answer: PushAnswer, body: unknown): Error {
  const { status } = answer;
  const words = describeStatus(status, reasonOf(answer, body));
  return meaningOfHttp(status) === "busy" ? new Error(words) : new LastingError(words);
}

function reasonOf({ status, location }: PushAnswer, body: unknown): string {
  if (status >= 300 && status < 400)
    return `redirects are not followed; this one leads to "${toLogText(location)}"`;
  const parsed = refused.safeParse(body);
  if (!parsed.success) return "";
  const { error, error_description: description } = parsed.data;
  return toLogText(description === undefined ? error : `${error}: ${description}`);
}

function parseJson({ body, isComplete }: PushAnswer): unknown {
  if (!isComplete) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
