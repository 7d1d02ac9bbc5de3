// SPDX-License-Identifier: Apache-2.0
/** The headers by their names in lower case: so that one replaces another, however that is spelled. */
export function withLowerCaseNames(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
