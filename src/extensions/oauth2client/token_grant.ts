// SPDX-License-Identifier: Apache-2.0
import { LastingError } from "../../auth/lasting_error.ts";
import { REDACTED } from "../../config/secrets.ts";
import type { PushAnswer } from "../../http_client/answer.ts";
import { errorText } from "../../peer/error_text.ts";
import { readTokenAnswer } from "./token_answer.ts";
import type { Token } from "./token_cache.ts";

/** The options of a `TokenGrant`. */
export interface TokenGrantOptions {
  /** The URL of the token endpoint, for messages. */
  readonly url: string;
  readonly scopes: readonly string[];
  readonly endpointParams: Readonly<Record<string, string | readonly string[]>>;
  /** Returns the current id and secret. */
  credentials(): { readonly id: string; readonly secret: string };
  post(form: URLSearchParams, headers: Readonly<Record<string, string>>): Promise<PushAnswer>;
}

/** The place of the client's id and secret: in the header `Authorization`, or in the form. */
type SecretPlacement = "header" | "form";

/**
 * Asks for tokens by the grant of client credentials. A server must accept the secret in a header and may accept it in
 * the form. If it refuses the header, the form is tried; the way that works is used from then on, as in Go's library.
 */
export class TokenGrant {
  readonly #options: TokenGrantOptions;
  #placement: SecretPlacement | undefined;

  constructor(options: TokenGrantOptions) {
    this.#options = options;
  }

  /** Gets a new token. Rejects with a message for the user that does not contain the secret. */
  async fetch(): Promise<Token> {
    const { credentials, url } = this.#options;
    const { secret } = credentials();
    try {
      return await this.#fetch();
    } catch (error) {
      const reason = errorText(error);
      const words = secret === "" ? reason : reason.replaceAll(secret, REDACTED);
      const Kind = error instanceof LastingError ? LastingError : Error;
      // The error has no cause: a logger might write it out, and the server's answer may contain the secret.
      throw new Kind(`cannot get a token from "${url}": ${words}`);
    }
  }

  async #fetch(): Promise<Token> {
    const first = await this.#ask(this.#placement ?? "header");
    if (this.#placement !== undefined || !isRefused(first))
      return this.#read(first, this.#placement ?? "header");
    const second = await this.#ask("form");
    return isRefused(second) ? readTokenAnswer(first) : this.#read(second, "form");
  }

  #read(answer: PushAnswer, placement: SecretPlacement): Token {
    const token = readTokenAnswer(answer);
    this.#placement = placement;
    return token;
  }

  async #ask(placement: SecretPlacement): Promise<PushAnswer> {
    const { scopes, endpointParams, credentials, post } = this.#options;
    const { id, secret } = credentials();
    const form = new URLSearchParams({ grant_type: "client_credentials" });
    if (scopes.length > 0) form.set("scope", scopes.join(" "));
    for (const [name, values] of Object.entries(endpointParams)) {
      form.delete(name);
      for (const value of [values].flat()) form.append(name, value);
    }
    if (placement === "header") return await post(form, { authorization: basicOf(id, secret) });
    form.set("client_id", id);
    form.set("client_secret", secret);
    return await post(form, {});
  }
}

function isRefused({ status }: PushAnswer): boolean {
  return status >= 400 && status < 500;
}

/**
 * Encodes id and secret for Basic as RFC 6749, section 2.3.1 demands: unlike in other uses of Basic, both are
 * form-encoded first.
 */
function basicOf(id: string, secret: string): string {
  const [encodedId, encodedSecret] = [id, secret].map((text) =>
    new URLSearchParams([["", text]]).toString().slice(1),
  );
  return `Basic ${Buffer.from(`${encodedId}:${encodedSecret}`).toString("base64")}`;
}
