// SPDX-License-Identifier: Apache-2.0
/** The name of all clients of a unix socket. They have no address, so they count as one client. */
const UNIX = "unix socket";
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const LOOPBACK = "::1";

/**
 * Names the client for which limits are counted: an IPv4 address, or the /64 network of an IPv6 address, since a machine
 * usually has all addresses of a /64. `remoteAddress` is undefined for a client of a unix socket.
 */
export function clientOf(remoteAddress: string | undefined): string {
  if (remoteAddress === undefined) return UNIX;
  const [, mapped] = MAPPED.exec(remoteAddress) ?? [];
  if (mapped !== undefined) return mapped;
  if (!remoteAddress.includes(":") || remoteAddress === LOOPBACK) return remoteAddress;
  const [address = "", zone] = remoteAddress.split("%", 2);
  const [head = "", tail = ""] = address.split("::", 2);
  const groups = head === "" ? [] : head.split(":");
  const last = tail === "" ? [] : tail.split(":");
  while (groups.length + last.length < 8) groups.push("0");
  const prefix = [...groups, ...last].slice(0, 4).join(":");
  return zone === undefined ? `${prefix}::/64` : `${prefix}::/64%${zone}`;
}
