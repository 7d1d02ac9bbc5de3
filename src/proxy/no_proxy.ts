// SPDX-License-Identifier: Apache-2.0
import { BlockList, isIP } from "node:net";

/** A host and a port as a client names them; an IPv6 address without brackets. */
export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

/**
 * Whether `NO_PROXY` excepts the target, by the rules of Go's `httpproxy`: entries between commas (or blanks, as curl
 * has it), each `*`, an address, a network (`10.0.0.0/8`), a domain (`a.org`: itself and what is under it) or the domains
 * under one (`.a.org`, `*.a.org`), all but `*` and networks with an optional `:port`. An entry that makes no sense
 * excepts nothing.
 */
export function isExcepted({ host, port }: ProxyTarget, noProxy: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => excepts(entry, name, port));
}

/** An address of the node itself, which no proxy can reach on its behalf. */
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

/** A bare IPv6 address ends in what looks like a port. */
function asHostPort(entry: string): string {
  return isIP(entry) === 6 ? `[${entry}]` : entry;
}

function isInDomain(name: string, domain: string): boolean {
  if (domain === "" || domain === "." || isIP(name) !== 0) return false;
  return domain.startsWith(".") ? name.endsWith(domain) : name === domain || name.endsWith(`.${domain}`);
}

/** Addresses are compared as numbers, however they are written; those of IPv4 also where they are mapped into IPv6. */
function contains(network: string, bits: number, host: string): boolean {
  const family = isIP(network);
  const hostFamily = isIP(host);
  if (family === 0 || hostFamily === 0 || bits > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, family === 4 ? "ipv4" : "ipv6");
  return list.check(host, hostFamily === 4 ? "ipv4" : "ipv6");
}
