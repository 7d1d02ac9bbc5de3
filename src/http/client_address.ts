// SPDX-License-Identifier: Apache-2.0
/** Clients of a unix socket have no address: all of them are one client. */
const UNIX = "unix socket";
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const LOOPBACK = "::1";

/**
 * The name under which a client's limits are kept: its IPv4 address, or the /64 of its IPv6 address, since whoever has one
 * address of a /64 has all of them. Undefined is a unix socket's client.
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
