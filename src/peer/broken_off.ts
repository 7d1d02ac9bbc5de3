// SPDX-License-Identifier: Apache-2.0
/** The error text of an attempt that was aborted before its deadline. */
export const BROKEN_OFF = "the attempt was broken off";

/** The message of the abort reason of an attempt that is aborted before its deadline. `isBrokenOff` looks for it. */
const SHUTDOWN = "shutdown";

/** Makes the reason with which a caller aborts an attempt before its deadline. */
export function brokenOff(): Error {
  return new Error(SHUTDOWN);
}

/** Whether the signal was aborted with the reason `brokenOff()`, and not because the attempt's deadline passed. */
export function isBrokenOff({ reason }: AbortSignal): boolean {
  return reason instanceof Error && reason.message === SHUTDOWN;
}
