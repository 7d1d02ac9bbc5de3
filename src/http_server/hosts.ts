// SPDX-License-Identifier: Apache-2.0
import { isIP, isIPv6 } from "node:net";

/** The way by which a request came: a unix socket, an address of the loopback interface, or any other address. */
export type Reach = "unix" | "loopback" | "network";

/** Returns whether a request for this host is answered. `reads` is true for a request that changes nothing (GET, HEAD). */
export type HostRule = (host: string, request: { readonly reach: Reach; readonly reads: boolean }) => boolean;

/**
 * Returns the host of `host`, `host:port` or `[::1]:port`, in lower case and without a final dot; undefined for any
 * other text.
 */
export function hostOf(authority: string): string | undefined {
  const [, bracketed, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?$/i.exec(authority) ?? [];
  if (bracketed !== undefined) return isIPv6(bracketed) ? bracketed : undefined;
  return name?.toLowerCase().replace(/\.$/, "");
}

/**
 * Makes the rule that decides for which hosts requests are answered. It protects against DNS rebinding: the author of a web
 * page lets a name of their own resolve to an address of the reader's network, and the page then sends requests to the
 * agent. Such a request has the author's name as its host.
 *
 * Requests for IP addresses and loopback names are always answered, since no attacker can let one of these resolve to
 * an address of the agent.
 *
 * Where `allowed` is undefined, these are answered as well:
 * - names that no attacker can register: `ownNames`, names without a dot, and names of clusters;
 * - any name over a unix socket, which no browser can reach;
 * - any name for a request that changes nothing and comes over the network: whoever can reach an open port may read,
 * and Prometheus may know the node by any name.
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

/** The form of an entry of `allowed_hosts`: a name, `*.name` for all names below it, or `*` for every name. */
export const HOST_PATTERN: RegExp = /^(?:\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)$/i;

function patternRule(pattern: string): (host: string) => boolean {
  const wanted = pattern.toLowerCase().replace(/\.$/, "");
  if (wanted === "*") return () => true;
  return wanted.startsWith("*.") ? (host) => host.endsWith(wanted.slice(1)) : (host) => host === wanted;
}
