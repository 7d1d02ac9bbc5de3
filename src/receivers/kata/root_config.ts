// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { z } from "zod";
import type { Remark } from "../../component/factory.ts";
import { shownAsParsed } from "../../options/values.ts";
import type { Root, Runtime } from "./discovery/root.ts";

const DEFAULT_ROOTS: readonly string[] = ["/run/vc/sbs", "/run/kata"];
/**
 * The runtime that usually makes the sandboxes of a root, by the end of the root's path. Only the end counts, because a
 * container may have the node's directories mounted elsewhere. Only the Go shim has a `vc/sbs`; `kata` alone may be
 * anything, so runtime-rs needs `run/kata`.
 */
const USUAL_ENDS: Readonly<Record<string, Runtime>> = { "/vc/sbs": "go", "/run/kata": "rs" };
const ROOTS_MAX = 64;

const path = z.string().regex(/^\//, "must be an absolute path");
const runtime = z
  .enum(["go", "rs", "unknown"])
  .optional()
  .describe(
    `Which shim makes the sandboxes under it. If left out, go where the path ends in /vc/sbs, rs where it ends in /run/kata, else unknown: then each sandbox is asked once its files have proved its runtime`,
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

function usualRuntime(path: string): Runtime {
  const usual = Object.entries(USUAL_ENDS).find(([end]) => path.endsWith(end));
  return usual?.[1] ?? "unknown";
}

export const rootsSchema: z.ZodType<readonly Root[]> = z
  .array(root)
  .min(1)
  .max(ROOTS_MAX)
  .refine((roots) => new Set(roots.map((one) => one.path)).size === roots.length, "names a root twice")
  .prefault([...DEFAULT_ROOTS])
  .describe("Where sandboxes are found; a root may come later");

/** Returns a remark for each root of unknown runtime, and for each root whose runtime is not the usual one of its path. */
export function remarksOnRoots(roots: readonly Root[]): readonly Remark[] {
  return roots.flatMap((one, index) => {
    const message = remarkOn(one);
    return message === undefined ? [] : [{ path: ["roots", String(index)], message }];
  });
}

function remarkOn({ path, runtime }: Root): string | undefined {
  if (runtime === "unknown")
    return `the runtime of "${path}" is unknown, so each sandbox is asked only when its persist.json (go) or state.json (rs) has proved it; name it with {path: ${path}, runtime: go} or runtime: rs`;
  const usual = usualRuntime(path);
  if (usual === "unknown" || usual === runtime) return undefined;
  const effect =
    runtime === "go"
      ? "sandboxes of runtime-rs on QEMU end when they are asked as they boot"
      : "sandboxes of the Go shim are never asked";
  return `"${path}" ends as roots of the runtime ${usual} do, and is said to be of ${runtime}: if that is wrong, ${effect}`;
}
