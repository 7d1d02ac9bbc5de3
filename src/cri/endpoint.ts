// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";

/** The endpoints where the container runtime may listen, at least one. */
export type CriEndpoints = readonly string[];

/**
 * The default sockets of the runtimes that start Kata sandboxes. k3s and rke2 use the same socket. All sockets are
 * tried, because a node may have the containerd of its distribution in addition to the kubelet's.
 */
const WELL_KNOWN: CriEndpoints = [
  "unix:///run/containerd/containerd.sock",
  "unix:///run/crio/crio.sock",
  "unix:///run/k3s/containerd/containerd.sock",
  "unix:///run/k0s/containerd.sock",
  "unix:///var/snap/microk8s/common/run/containerd.sock",
];

/** The kernel's limit on `sun_path`, without the zero at the end. */
const SOCKET_PATH_BYTES_MAX = 107;

const WANTED =
  'must be "auto", a socket ("/run/containerd/containerd.sock", "unix:///run/crio/crio.sock") or "tcp://host:port"';

/**
 * Returns the gRPC targets that a text stands for, or a text that says what is allowed. A text can be `auto` for the well-known
 * sockets, a socket's path with or without `unix://`, `tcp://host:port`, `dns:///host:port` or `host:port`.
 */
export function parseCriEndpoint(text: string): { endpoints: CriEndpoints } | { wanted: string } {
  if (text === "auto") return { endpoints: WELL_KNOWN };
  const path = /^(?:unix:(?:\/\/)?)?(\/(?!\/)[^\0]*)$/.exec(text)?.[1];
  if (path !== undefined) {
    if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
      return { wanted: `must have a socket path of at most ${SOCKET_PATH_BYTES_MAX} bytes` };
    }
    return { endpoints: [`unix://${path}`] };
  }
  const address = /^(?:tcp:\/\/|dns:\/\/\/)?((?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5}))$/.exec(
    text,
  );
  const port = Number(address?.[2]);
  if (address?.[1] === undefined || port === 0 || port > 65_535) return { wanted: WANTED };
  return { endpoints: [`dns:///${address[1]}`] };
}

/** The schema of an endpoint as `parseCriEndpoint` reads it. It returns the targets to try. */
export function criEndpoint(): z.ZodType<CriEndpoints, string> {
  return z.string().transform((text, context) => {
    const parsed = parseCriEndpoint(text);
    if ("endpoints" in parsed) return parsed.endpoints;
    context.addIssue({ code: "custom", message: parsed.wanted, input: text });
    return z.NEVER;
  });
}
