// SPDX-License-Identifier: Apache-2.0
/**
 * Returns the fault of a path that cannot be looked at, for the user, with the ways out where the agent lacks rights:
 * directories of root are closed to other users, and a security module may deny even root.
 */
export function accessFault(path: string, error: unknown): string {
  const { code, message } =
    error instanceof Error ? (error as NodeJS.ErrnoException) : { message: String(error) };
  // The message of a failed call ends with the call and the path, which the fault names already.
  const detail = code === undefined ? message : message.split(", ", 1)[0];
  return `cannot look at ${JSON.stringify(path)}: ${detail}${accessWayOut(code)}`;
}

/** Returns the way out for an error code, to be appended to a fault; empty unless the agent lacks rights. */
export function accessWayOut(code: string | undefined): string {
  const wayOut = code === undefined ? undefined : WAYS_OUT[code];
  return wayOut === undefined ? "" : `; ${wayOut}`;
}

const MODULE_WAY_OUT = "give it an SELinux type (spc_t in a container) or an AppArmor profile that may";

const WAYS_OUT: Readonly<Record<string, string>> = {
  EACCES: `run the agent as uid 0 or with CAP_DAC_OVERRIDE; where SELinux or AppArmor denies it, ${MODULE_WAY_OUT}`,
  EPERM: MODULE_WAY_OUT,
};
