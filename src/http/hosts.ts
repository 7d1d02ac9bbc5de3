// SPDX-License-Identifier: Apache-2.0
import { isIP, isIPv6 } from "node:net";

/** Through what a request has come: a unix socket, an address of the loopback interface, or another one. */
export type Reach = "unix" | "loopback" | "network";

/** Whether a request for this host is answered; `reads` says that it changes nothing. */
export type HostRule = (host: string, request: { readonly reach: Reach; readonly reads: boolean }) => boolean;

/** The host of `host`, `host:port` or `[::1]:port`, in lower case and without a last dot; undefined where it is none of them. */
export function hostOf(authority: string): string | undefined {
  const [, bracketed, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?$/i.exec(authority) ?? [];
  if (bracketed !== undefined) return isIPv6(bracketed) ? bracketed : undefined;
  return name?.toLowerCase().replace(/\.$/, "");
}

/**
 * Whether requests for a host are answered. A web page on a name of its author's can let that name lead to an address of the
 * reader's (DNS rebinding); its requests then name a host that is nobody's here. IP addresses and loopback names are
 * answered always, since no such page is there under them.
 *
 * Where nothing is `allowed` by name, names that nobody can register for himself are answered too: those that are the listener's
 * own, those without a dot, and those of clusters. Any other name is answered where a request only reads and has not come over loopback:
 * whoever opens a port to the network lets everybody read who gets there, and a Prometheus may know the node by any name.
 */
export function hostRule(allowed: readonly string[] | undefined, ownNames: readonly string[]): HostRule {
  if (allowed !== undefined) {
    const matches = allowed.map(patternRule);
    return (host) => isLoopbackOrAddress(host) || matches.some((match) => match(host));
  }
  const own = new Set(ownNames.map((name) => name.toLowerCase()));
  return (host, { reach, reads }) =>
    reach === "unix" ||
    (reach === "network" && reads) ||
    isLoopbackOrAddress(host) ||
    own.has(host) ||
    isPrivateName(host);
}

function isLoopbackOrAddress(host: string): boolean {
  return isIP(host) !== 0 || host === "localhost" || host.endsWith(".localhost");
}

function isPrivateName(host: string): boolean {
  return !host.includes(".") || /\.(?:svc|cluster\.local|internal)$/.test(host);
}

/** Of `allowed_hosts`: a name, `*.name` for the names below it, or `*`. */
export const HOST_PATTERN: RegExp = /^(?:\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)$/i;

function patternRule(pattern: string): (host: string) => boolean {
  const wanted = pattern.toLowerCase().replace(/\.$/, "");
  if (wanted === "*") return () => true;
  return wanted.startsWith("*.") ? (host) => host.endsWith(wanted.slice(1)) : (host) => host === wanted;
}
