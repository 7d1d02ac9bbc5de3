// SPDX-License-Identifier: Apache-2.0
import { BlockList, isIP } from "node:net";

/** The host and port of a target. An IPv6 address has no brackets. */
export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

/**
 * Whether `NO_PROXY` excepts the target, so that no proxy is used. The rules are those of Go's `httpproxy`. Entries are
 * separated by commas, or by blanks as curl allows. An entry is one of these:
 * - `*`: every target;
 * - an address, or a network such as `10.0.0.0/8`;
 * - a domain, such as `a.org`: itself and the domains below it;
 * - `.a.org` or `*.a.org`: only the domains below it.
 *
 * Addresses and domains may have a `:port`. An invalid entry excepts nothing.
 */
export function isExcepted({ host, port }: ProxyTarget, noProxy: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => excepts(entry, name, port));
}

/** Whether the host is the node itself, which a proxy on another machine cannot reach. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  return name === "localhost" || contains("127.0.0.0", 8, name) || contains("::1", 128, name);
}

function excepts(entry: string, name: string, port: number): boolean {
  if (entry === "*") return true;
  const [network = "", bits] = entry.split("/");
  if (bits !== undefined) return /^\d{1,3}$/.test(bits) && contains(network, Number(bits), name);
  const [, bracketed, plain = "", wantedPort] =
    /^(?:\[(.*)\]|(.*?))(?::(\d+))?$/.exec(asHostPort(entry)) ?? [];
  if (wantedPort !== undefined && Number(wantedPort) !== port) return false;
  const host = bracketed ?? plain;
  const family = isIP(host);
  if (family !== 0) return contains(host, family === 4 ? 32 : 128, name);
  return isInDomain(name, host.replace(/^\*\./, "."));
}

/** Puts an IPv6 address without brackets into brackets, since its end looks like a port. */
function asHostPort(entry: string): string {
  return isIP(entry) === 6 ? `[${entry}]` : entry;
}

function isInDomain(name: string, domain: string): boolean {
  if (domain === "" || domain === "." || isIP(name) !== 0) return false;
  return domain.startsWith(".") ? name.endsWith(domain) : name === domain || name.endsWith(`.${domain}`);
}

/** Whether the network contains the host. They are compared as numbers: `::ffff:10.0.0.1` is the same as `10.0.0.1`. */
function contains(network: string, bits: number, host: string): boolean {
  const family = isIP(network);
  const hostFamily = isIP(host);
  if (family === 0 || hostFamily === 0 || bits > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, family === 4 ? "ipv4" : "ipv6");
  return list.check(host, hostFamily === 4 ? "ipv4" : "ipv6");
}
