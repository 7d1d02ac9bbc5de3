// SPDX-License-Identifier: Apache-2.0
/** In place of how long the attempt has waited. */
export const BROKEN_OFF = "the attempt was broken off";

/** The message of the reason with which an attempt is aborted before its deadline. */
const SHUTDOWN = "shutdown";

/** The reason with which an attempt is aborted though it has time left. */
export function brokenOff(): Error {
  return new Error(SHUTDOWN);
}

/** Whether an attempt was ended though it had time left, as its signal's reason tells. */
export function isBrokenOff({ reason }: AbortSignal): boolean {
  return reason instanceof Error && reason.message === SHUTDOWN;
}
