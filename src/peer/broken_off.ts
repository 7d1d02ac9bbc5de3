// SPDX-License-Identifier: Apache-2.0
/** The text of the error of an attempt that was aborted before its deadline. */
export const BROKEN_OFF = "the attempt was broken off";

/** The message of the abort reason by which such attempts are recognized. */
const SHUTDOWN = "shutdown";

/** Makes the reason with which a caller aborts an attempt before its deadline. */
export function brokenOff(): Error {
  return new Error(SHUTDOWN);
}

/** Returns whether the signal was aborted with `brokenOff()`, and not because its deadline passed. */
export function isBrokenOff({ reason }: AbortSignal): boolean {
  return reason instanceof Error && reason.message === SHUTDOWN;
}
