// SPDX-License-Identifier: Apache-2.0
/** The id of a component or a pipeline: `type` or `type/name`. */
export interface Id {
  readonly type: string;
  readonly name: string | undefined;
}

const TYPE = /^[a-zA-Z][0-9a-zA-Z_]{0,62}$/;
const NAME_CHARS_MAX = 1024;
const NAME = /^[^\s\p{C}\p{S}]+$/u;

/** Splits an id by the Collector's rules, or returns a text that says what is wrong with it. */
export function parseId(text: string): Id | string {
  const id = text.trim();
  const slash = id.indexOf("/");
  const type = slash < 0 ? id : id.slice(0, slash);
  const name = slash < 0 ? undefined : id.slice(slash + 1);
  if (name === "") return `in "${id}" id: the part after / should not be empty`;
  if (!TYPE.test(type)) return `in "${id}" id: the type must match ${TYPE.source}`;
  if (name !== undefined && name.length > NAME_CHARS_MAX) {
    return `in "${id.slice(0, 80)}…" id: the name may have ${NAME_CHARS_MAX} characters at most`;
  }
  if (name !== undefined && !NAME.test(name)) {
    return `in "${id}" id: the name may have no spaces, control characters or symbols`;
  }
  return { type, name };
}
