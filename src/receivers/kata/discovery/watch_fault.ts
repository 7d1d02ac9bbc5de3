// SPDX-License-Identifier: Apache-2.0
/**
 * Returns the fault of a root that cannot be watched, for the user: which limit of the node to raise, and what the fault
 * costs until then. Scans find the root's sandboxes in any case.
 */
export function watchFault(path: string, error: NodeJS.ErrnoException, reconcileIntervalMs: number): string {
  const { code = "", message } = error;
  const limit = LIMITS[code];
  const wayOut = limit === undefined ? "" : `raise ${limit}; `;
  const meanwhile = `until then new sandboxes are found every reconcile_interval (${reconcileIntervalMs / 1_000} s)`;
  return `cannot watch ${JSON.stringify(path)}: ${message.split(", ", 1)[0]}; ${wayOut}${meanwhile}`;
}

/** The limit that is used up, by error code: see inotify(7) and inotify_init(2). */
const LIMITS: Readonly<Record<string, string>> = {
  EMFILE:
    "the sysctl fs.inotify.max_user_instances, or the agent's limit of open files (LimitNOFILE, ulimit -n)",
  ENFILE: "the sysctl fs.file-max",
  ENOSPC: "the sysctl fs.inotify.max_user_watches",
};
