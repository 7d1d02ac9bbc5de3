// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { z } from "zod";
import type { LockedPackage } from "./production_tree.ts";

const Component = z.looseObject({
  "bom-ref": z.string(),
  name: z.string(),
  version: z.string(),
  purl: z.string(),
  hashes: z.array(z.object({ alg: z.string(), content: z.string() })).optional(),
});
const Bom = z.looseObject({
  bomFormat: z.literal("CycloneDX"),
  specVersion: z.string(),
  serialNumber: z.string(),
  metadata: z.looseObject({ timestamp: z.string(), component: Component }),
  components: z.array(Component),
  dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

/**
 * The CycloneDX document that `npm sbom` wrote, with the release's date in place of the present moment and a serial number that
 * follows from the content: the same release has the same bytes. Throws where it is not about exactly these packages.
 */
export function releaseSbom(text: string, packages: readonly LockedPackage[], date: Date): string {
  const bom = Bom.parse(JSON.parse(text));
  checkComponents(bom, packages);
  bom.metadata.timestamp = date.toISOString();
  bom.metadata.component["type"] = "application";
  bom.serialNumber = "";
  const hash = createHash("sha256").update(JSON.stringify(bom)).digest("hex");
  bom.serialNumber = `urn:uuid:${uuid(hash)}`;
  return `${JSON.stringify(bom, null, 2)}\n`;
}

function checkComponents(bom: z.infer<typeof Bom>, packages: readonly LockedPackage[]): void {
  const want = packages.map(({ name, version, integrity }) => `${name} ${version} ${sha512(integrity)}`);
  const got = bom.components.map(({ name, version, hashes = [] }) => {
    const hash = hashes.find(({ alg }) => alg === "SHA-512")?.content;
    return `${name} ${version} ${hash}`;
  });
  const missing = want.filter((line) => !got.includes(line));
  const foreign = got.filter((line) => !want.includes(line));
  if (missing.length > 0 || foreign.length > 0)
    throw new Error(
      `cannot take what npm sbom says: it lacks [${missing.join(", ")}] and has [${foreign.join(", ")}]`,
    );
  const refs = new Set([bom.metadata.component, ...bom.components].map((component) => component["bom-ref"]));
  const unknown = bom.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]);
  const dangling = unknown.filter((ref) => !refs.has(ref));
  if (dangling.length > 0)
    throw new Error(`cannot take what npm sbom says: nothing in it is called ${dangling.join(", ")}`);
}

/** The hash in hexadecimal; npm's has it in base64. */
function sha512(integrity: string): string {
  const [, base64] = /\bsha512-([A-Za-z0-9+/=]+)/.exec(integrity) ?? [];
  if (base64 === undefined) throw new Error(`cannot read the integrity "${integrity}": it has no sha512`);
  return Buffer.from(base64, "base64").toString("hex");
}

/** RFC 9562, version 8: the bits are the application's own. */
function uuid(hex: string): string {
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}
