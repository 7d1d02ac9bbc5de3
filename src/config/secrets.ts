// SPDX-License-Identifier: Apache-2.0
import type { ZodType } from "zod";
import type { Fault } from "./fault.ts";
import type { ConfigNode } from "./node.ts";
import { keysAt, placeIn, placeOf, type SchemaPlace, takesSomething } from "./schema_place.ts";
import { suggest } from "./suggestion.ts";

/** The text that is shown instead of a secret. */
export const REDACTED = "[REDACTED]";

/** Matches names whose values count as secrets if no schema says whether they are. */
export const SENSITIVE_NAME: RegExp = /pass|secret|token|auth|credential|api.?key|private|_pem|header/i;

const USER_IN_URL = /:\/\/([^/\s]*)@/g;
const PARAMETER_IN_URL = /([?&])([^?=&\s]*)=([^&\s]*)/g;
const SENSITIVE_PARAMETER = /key|token|secret|pass|auth|sig/i;
/**
 * Matches a text that consists of references, with or without colons between them, and so holds no secret. A reference
 * with a default, such as `${env:X:-y}`, does not match, since the default may be a secret.
 */
const REFERENCES = /^(?:\$\{(?:(?!:-)[^${}])*\}|:)+$/;

/**
 * Hides the user, the password and the parameters with sensitive names of each URL in the text. References such as
 * `${env:X}` stay.
 */
export function withoutSecrets(text: string): string {
  const hidden = (value: string): string => (REFERENCES.test(value) ? value : REDACTED);
  return text
    .replace(USER_IN_URL, (_, user: string) => `://${hidden(user)}@`)
    .replace(PARAMETER_IN_URL, (whole, mark: string, name: string, value: string) =>
      SENSITIVE_PARAMETER.test(name) ? `${mark}${name}=${hidden(value)}` : whole,
    );
}

/**
 * Hides the secrets in a text with references: those that the config has next to the references, or in them as
 * defaults. `isSecret` says whether the whole value is a secret.
 */
export function withoutSecretParts(reference: string, isSecret: boolean): string {
  if (isSecret) return REFERENCES.test(reference) ? reference : REDACTED;
  return withoutSecrets(reference);
}

function tellsSecret(value: unknown): boolean {
  return typeof value === "string" && withoutSecrets(value) !== value;
}

/** The lines of a config that hold secrets. A fault on such a line is shown without the line's text. */
export class SecretLines {
  readonly #lines = new Set<string>();
  readonly #known = new Set<ConfigNode>();

  /** Adds the line of every secret in the node. Without a schema, as for an unknown component, all values count as secrets. */
  add(node: ConfigNode, schema: ZodType | undefined): void {
    this.#add(node, schema === undefined ? { schemas: [], secret: true } : placeOf(schema));
  }

  /** Whether the schema names the node's key. The keys of a map that takes any key are the user's own words. */
  isKnown(node: ConfigNode): boolean {
    return this.#known.has(node);
  }

  /** Returns the fault without its source line, if that line holds a secret. */
  hide(fault: Fault): Fault {
    const { origin } = fault;
    if (origin === undefined || !this.#lines.has(`${origin.file}:${origin.line}`)) return fault;
    return { ...fault, origin: { ...origin, source: "" } };
  }

  #add(node: ConfigNode, place: SchemaPlace): void {
    switch (node.kind) {
      case "scalar":
        if (node.value !== null && (holdsSecret(place) || tellsSecret(node.value)))
          this.#lines.add(`${node.origin.file}:${node.origin.line}`);
        return;
      case "list":
        for (const [index, item] of node.items.entries()) this.#add(item, placeIn(place, index));
        return;
      case "map":
        for (const [key, { value }] of node.entries) {
          if (keysAt(place).includes(key)) this.#known.add(value);
          this.#add(value, placeUnder(place, key));
        }
    }
  }
}

/**
 * Whether a text at the place is a secret. A text at a place for a map of secrets counts as a secret, because the user
 * may have written one there by mistake.
 */
export function holdsSecret(place: SchemaPlace): boolean {
  return place.secret || placeIn(place, "any").secret;
}

/** Returns the place under `key`. A key that the schema does not know may be a misspelt key of a secret. */
function placeUnder(place: SchemaPlace, key: string): SchemaPlace {
  const under = placeIn(place, key);
  if (under.secret || takesSomething(under)) return under;
  const meant = suggest(key, keysAt(place));
  const likely = meant === undefined ? under : placeIn(place, meant);
  return { ...likely, secret: likely.secret || SENSITIVE_NAME.test(key) };
}
