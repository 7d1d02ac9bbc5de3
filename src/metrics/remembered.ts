// SPDX-License-Identifier: Apache-2.0
/** The function, asked once for each object; an answer is forgotten with its object. */
export function remembered<Key extends object, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const known = new WeakMap<Key, Value>();
  return (key) => {
    let value = known.get(key);
    if (value === undefined) {
      value = make(key);
      known.set(key, value);
    }
    return value;
  };
}

/** The same of two objects, in this order. */
export function rememberedPair<One extends object, Other extends object, Value>(
  make: (one: One, other: Other) => Value,
): (one: One, other: Other) => Value {
  const of = remembered((one: One) => remembered((other: Other) => make(one, other)));
  return (one, other) => of(one)(other);
}
