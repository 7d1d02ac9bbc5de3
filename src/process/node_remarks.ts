// SPDX-License-Identifier: Apache-2.0
import type { StrayLine } from "../reporting/process_log.ts";

/** How Node was started. */
export interface NodeStart {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Node's own options on its command line. */
  readonly execArgv: readonly string[];
  /** Where the debugger listens; undefined if it does not. */
  readonly debuggerUrl: string | undefined;
}

/** Options of Node, by the beginnings of their names, and the warning about each. */
const RISKS: readonly { readonly options: RegExp; readonly message: string }[] = [
  {
    options:
      /^--(heapsnapshot-|heap-prof|cpu-prof|report-|experimental-report|abort-on-uncaught-exception|tls-keylog)/,
    message: "Node was told to write what is in its memory to files; secrets are in it.",
  },
  {
    options: /^--(insecure-http-parser|tls-min-v1\.[01]|openssl-legacy-provider|tls-cipher-list)/,
    message: "Node was told to be less strict with peers than the agent is.",
  },
  {
    options: /^--(trace-|prof$|print-|redirect-warnings)/,
    message: "Node was told to write text of its own; it is no part of the log.",
  },
];

/** Whether Node was started with its debugger on purpose. */
export function isDebuggerAskedFor(start: Pick<NodeStart, "env" | "execArgv">): boolean {
  return namesOf(start).some((name) => name.startsWith("--inspect"));
}

/** Returns the lines of the log about how Node was started. They name options without values, which may be secret. */
export function remarksOnNode(start: NodeStart): readonly StrayLine[] {
  const { env, debuggerUrl } = start;
  const remarks: StrayLine[] = [];
  const remark = (level: StrayLine["level"], message: string, fields: StrayLine["fields"]): void =>
    void remarks.push({ level, fields, message });
  if (debuggerUrl !== undefined)
    remark("warn", "Node's debugger listens; whoever reaches it can do what the agent can.", {
      url: debuggerUrl,
    });
  const names = namesOf(start);
  for (const { options, message } of RISKS) {
    const found = names.filter((name) => options.test(name));
    if (found.length > 0) remark("warn", message, { options: found });
  }
  if (env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0")
    remark("warn", "Certificates of peers are not checked; unset NODE_TLS_REJECT_UNAUTHORIZED.", {});
  const debugging = ["NODE_DEBUG", "NODE_DEBUG_NATIVE"].filter((name) => env[name] !== undefined);
  if (debugging.length > 0)
    remark("warn", "Node was told to write text of its own; it is no part of the log.", {
      variables: debugging,
    });
  const fromEnvironment = namesIn(env["NODE_OPTIONS"] ?? "");
  if (fromEnvironment.length > 0)
    remark("info", "Node has options from NODE_OPTIONS.", { options: fromEnvironment });
  return remarks;
}

function namesOf({ env, execArgv }: Pick<NodeStart, "env" | "execArgv">): string[] {
  return [...new Set([...namesIn(execArgv.join(" ")), ...namesIn(env["NODE_OPTIONS"] ?? "")])];
}

/** Returns the names of the options in the text. V8's options may have underscores instead of dashes. */
function namesIn(text: string): string[] {
  return [...text.matchAll(/(?:^|[\s"])(--?[\w.-]+)/g)].map(([, name = ""]) => name.replaceAll("_", "-"));
}
