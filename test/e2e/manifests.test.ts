// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { parseCriEndpoint } from "../../src/cri/endpoint.ts";

const EXAMPLES = join(import.meta.dirname, "../../examples");
const OVERLAYS = join(EXAMPLES, "kustomize");

interface PodSpec {
  readonly containers: readonly { readonly volumeMounts: readonly Mount[] }[];
  readonly volumes: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
}

interface Mount {
  readonly name?: string;
  readonly mountPath: string;
  readonly mountPropagation?: string;
  readonly recursiveReadOnly?: string;
}

interface DaemonSet {
  readonly kind: string;
  readonly spec: { readonly template: { readonly spec: PodSpec } };
}

/** The pods of the base, and the patches that each overlay applies to them. */
function podSpecs(): Map<string, PodSpec> {
  const base = parseAllDocuments(readFileSync(join(EXAMPLES, "kubernetes/daemonset.yaml"), "utf8"))
    .map((document) => document.toJS() as DaemonSet)
    .find(({ kind }) => kind === "DaemonSet");
  assert.ok(base !== undefined);
  const specs = new Map([["base", base.spec.template.spec]]);
  for (const path of globSync("*/kustomization.yaml", { cwd: OVERLAYS })) {
    const { patches = [] } = parse(readFileSync(join(OVERLAYS, path), "utf8")) as {
      patches?: readonly { patch: string }[];
    };
    for (const { patch } of patches) specs.set(dirname(path), (parse(patch) as DaemonSet).spec.template.spec);
  }
  return specs;
}

/** Returns the node's directory that a pod mounts for the runtime's socket, and the path in the pod. */
function runtimeDirectory(name: string, { containers, volumes }: PodSpec): string {
  const mount = containers[0]?.volumeMounts.find((one) => one.name === "runtime");
  const volume = volumes.find((one) => one.name === "runtime");
  assert.equal(mount?.mountPath, volume?.hostPath?.path, `${name}: the mount's path is not the volume's`);
  assert.ok(mount !== undefined, `${name}: has no directory of a runtime`);
  return mount.mountPath;
}

test("every runtime that endpoint auto looks for has a manifest that mounts its socket's directory", () => {
  const auto = parseCriEndpoint("auto");
  assert.ok("endpoints" in auto);
  const sockets = auto.endpoints.map((endpoint) => endpoint.replace("unix://", ""));
  const directories = Array.from(podSpecs(), ([name, spec]) => runtimeDirectory(name, spec));
  for (const socket of sockets)
    assert.ok(
      directories.some((directory) => socket.startsWith(`${directory}/`)),
      `no manifest mounts the directory of ${socket}`,
    );
  for (const directory of directories)
    assert.ok(
      sockets.some((socket) => socket.startsWith(`${directory}/`)),
      `endpoint auto looks for nothing in ${directory}`,
    );
});

test("an overlay replaces the runtime of the base, and Kubernetes accepts every mount", () => {
  for (const [name, { containers }] of podSpecs()) {
    const mounts = containers.flatMap(({ volumeMounts }) => volumeMounts);
    for (const { mountPath, mountPropagation, recursiveReadOnly } of mounts)
      assert.ok(
        mountPropagation === undefined || recursiveReadOnly === undefined,
        `${name}: ${mountPath} has mountPropagation and recursiveReadOnly`,
      );
    if (name === "base") continue;
    assert.ok(
      mounts.some((mount) => mount.mountPath === "/run/containerd" && "$patch" in mount),
      `${name}: keeps /run/containerd`,
    );
  }
});
