import { resolve } from "node:path";
import { z } from "zod";
import type { Remark } from "../../component/component.ts";
import { shownAsParsed } from "../../config/values.ts";
import type { Root, Runtime } from "./discovery.ts";

const USUAL_ROOTS: Readonly<Record<string, Runtime>> = { "/run/vc/sbs": "go", "/run/kata": "rs" };
const ROOTS_MAX = 64;

const path = z.string().regex(/^\//, "must be an absolute path");
const runtime = z
  .enum(["go", "rs", "unknown"])
  .optional()
  .describe(
    `Which shim makes the sandboxes under it. If left out, go where the path ends in /run/vc/sbs, rs where it ends in /run/kata, else unknown: then each sandbox is asked once its files have proved its runtime`,
  );
const root: z.ZodType<Root> = shownAsParsed(
  z
    .union([path, z.strictObject({ path, runtime })])
    .transform((input): Root => {
      const { path, runtime = undefined } = typeof input === "string" ? { path: input } : input;
      const full = resolve(path);
      return { path: full, runtime: runtime ?? usualRuntime(full) };
    })
    .describe("A directory that holds a directory per sandbox: its path, or path and runtime"),
);

/** Seen from a container, the node's directories lie deeper, so only the end of the path counts. */
function usualRuntime(path: string): Runtime {
  const usual = Object.entries(USUAL_ROOTS).find(([end]) => path.endsWith(end));
  return usual?.[1] ?? "unknown";
}

export const rootsSchema: z.ZodType<readonly Root[]> = z
  .array(root)
  .min(1)
  .max(ROOTS_MAX)
  .refine((roots) => new Set(roots.map((one) => one.path)).size === roots.length, "names a root twice")
  .prefault(Object.keys(USUAL_ROOTS))
  .describe("Where sandboxes are found; a root may come later");

/** A remark for each root whose runtime nobody has named. */
export function remarksOnRoots(roots: readonly Root[]): readonly Remark[] {
  return roots.flatMap(({ path, runtime }, index) =>
    runtime === "unknown"
      ? [
          {
            path: ["roots", String(index)],
            message: `the runtime of "${path}" is unknown, so each sandbox is asked only when its persist.json (go) or state.json (rs) has proved it; name it with {path: ${path}, runtime: go} or runtime: rs`,
          },
        ]
      : [],
  );
}
