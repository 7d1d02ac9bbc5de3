// SPDX-License-Identifier: Apache-2.0
/** The words of whatever was thrown or rejected: an Error's message, or the text of anything else. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
