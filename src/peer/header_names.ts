// SPDX-License-Identifier: Apache-2.0
/** Returns the headers with names in lower case, so that a header replaces another of the same name in any spelling. */
export function withLowerCaseNames(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
