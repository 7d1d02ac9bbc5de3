// SPDX-License-Identifier: Apache-2.0
import type { ZodType } from "zod";
import type { Fault } from "./fault.ts";
import type { ConfigNode } from "./node.ts";
import { keysAt, placeIn, placeOf, type SchemaPlace, takesSomething } from "./schema_place.ts";
import { suggest } from "./suggestion.ts";

/** What stands for a secret wherever a config is shown. */
export const REDACTED = "[REDACTED]";

/** Names whose values are taken for secrets where no schema tells. */
export const SENSITIVE_NAME: RegExp = /pass|secret|token|auth|credential|api.?key|private|_pem|header/i;

const USER_IN_URL = /:\/\/([^/\s]*)@/g;
const PARAMETER_IN_URL = /([?&])([^?=&\s]*)=([^&\s]*)/g;
const SENSITIVE_PARAMETER = /key|token|secret|pass|auth|sig/i;
/** References without defaults, which tell no secret. */
const REFERENCES = /^(?:\$\{(?:(?!:-)[^${}])*\}|:)+$/;

/** The text, where it is a URL without what it tells of a user or in parameters with telling names. References stay. */
export function withoutSecrets(text: string): string {
  const hidden = (value: string): string => (REFERENCES.test(value) ? value : REDACTED);
  return text
    .replace(USER_IN_URL, (_, user: string) => `://${hidden(user)}@`)
    .replace(PARAMETER_IN_URL, (whole, mark: string, name: string, value: string) =>
      SENSITIVE_PARAMETER.test(name) ? `${mark}${name}=${hidden(value)}` : whole,
    );
}

/**
 * What the config has in place of a value that came from outside of it, as it may be shown: without secrets that stand in the
 * config beside the references, or in them as defaults.
 */
export function withoutSecretParts(reference: string, isSecret: boolean): string {
  if (isSecret) return REFERENCES.test(reference) ? reference : REDACTED;
  return withoutSecrets(reference);
}

function tellsSecret(value: unknown): boolean {
  return typeof value === "string" && withoutSecrets(value) !== value;
}

/** The places of secrets: a fault on such a line is shown without the line. */
export class SecretLines {
  readonly #lines = new Set<string>();
  readonly #known = new Set<ConfigNode>();

  /** Notes every secret in the node. Without a schema (an unknown component) all of its values are taken for secrets. */
  add(node: ConfigNode, schema: ZodType | undefined): void {
    this.#add(node, schema === undefined ? { schemas: [], secret: true } : placeOf(schema));
  }

  /** Whether the node stands under a key of its schema, which is no word of the user's. */
  isKnown(node: ConfigNode): boolean {
    return this.#known.has(node);
  }

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

/** Whether a text there is one: a place for a map of secrets may hold them in a text by mistake. */
export function holdsSecret(place: SchemaPlace): boolean {
  return place.secret || placeIn(place, "any").secret;
}

/** A key that the schema does not know may be a secret's, misspelt. */
function placeUnder(place: SchemaPlace, key: string): SchemaPlace {
  const under = placeIn(place, key);
  if (under.secret || takesSomething(under)) return under;
  const meant = suggest(key, keysAt(place));
  const likely = meant === undefined ? under : placeIn(place, meant);
  return { ...likely, secret: likely.secret || SENSITIVE_NAME.test(key) };
}
