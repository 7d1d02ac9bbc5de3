// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { z } from "zod";

const Report = z.object({
  auditReportVersion: z.number(),
  vulnerabilities: z.record(
    z.string(),
    z.object({ severity: z.string(), range: z.string(), via: z.array(z.unknown()) }),
  ),
});
const Advisory = z.object({ title: z.string(), url: z.string() });
const Refusal = z.object({ message: z.string() });

/** The advisories that the registry has about the packages that the agent runs with. */
export type AuditVerdict =
  | { readonly kind: "clean" }
  /** A line for each package, with its advisories. */
  | { readonly kind: "vulnerable"; readonly lines: readonly string[] }
  /** The registry knows no advisories, or cannot be reached: nothing is said about the packages. */
  | { readonly kind: "no_answer"; readonly reason: string };

/** Asks npm's registry, by `npm audit` in the folder of a package-lock.json. */
export function audit(root: string, npmArgs: readonly string[] = []): Promise<AuditVerdict> {
  const args = ["audit", "--omit=dev", "--package-lock-only", "--json", ...npmArgs];
  return new Promise((resolve) => {
    // The exit code is 1 for both of an advisory and no answer.
    execFile("npm", args, { cwd: root, maxBuffer: 64 << 20 }, (error, stdout) => {
      resolve(verdictOf(stdout, error?.message ?? "npm audit said nothing"));
    });
  });
}

function verdictOf(stdout: string, otherwise: string): AuditVerdict {
  const said = parsed(stdout);
  const report = Report.safeParse(said);
  if (!report.success) {
    const refusal = Refusal.safeParse(said);
    return { kind: "no_answer", reason: refusal.success ? refusal.data.message : otherwise };
  }
  const found = Object.entries(report.data.vulnerabilities);
  if (found.length === 0) return { kind: "clean" };
  const lines = found.map(([name, { severity, range, via }]) => {
    const advisories = via.map((item) => {
      const advisory = Advisory.safeParse(item);
      return advisory.success ? `${advisory.data.title} (${advisory.data.url})` : `by ${String(item)}`;
    });
    return `${name} ${range}: ${severity}: ${advisories.join("; ")}`;
  });
  return { kind: "vulnerable", lines };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A registry's page in place of JSON is no answer.
    return undefined;
  }
}
