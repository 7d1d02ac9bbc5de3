import type { ServerLimits, ServerTimeouts } from "./server.ts";
import type { TlsConfig } from "./tls.ts";

/** How an address is served. What is undefined goes along with whoever shares the address, or else has its default. */
export interface Serving {
  readonly tls: TlsConfig | undefined;
  readonly limits: ServerLimits | undefined;
  readonly timeouts: ServerTimeouts | undefined;
}

/** Nobody's wishes. */
export const ANY_SERVING: Serving = { tls: undefined, limits: undefined, timeouts: undefined };

export const SERVING_KEYS: readonly (keyof Serving)[] = ["tls", "limits", "timeouts"];

/** What the wishes of all come to: the first that one of them has, of each. */
export function jointServing(wishes: readonly Serving[]): Serving {
  const joint: { -readonly [Key in keyof Serving]: Serving[Key] } = { ...ANY_SERVING };
  for (const { tls, limits, timeouts } of wishes) {
    joint.tls ??= tls;
    joint.limits ??= limits;
    joint.timeouts ??= timeouts;
  }
  return joint;
}
