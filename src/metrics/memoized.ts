// SPDX-License-Identifier: Apache-2.0
/**
 * Makes a function that calls `make` once for each object, and from then on returns the value that it made. The value
 * is forgotten when nothing else holds the object. All caches whose keys are families, schemas and other interned
 * objects use this function: a value that is compiled for one of these objects serves all sandboxes that have it.
 */
export function memoized<Key extends object, Value>(make: (key: Key) => Value): (key: Key) => Value {
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

/** Like `memoized`, for a function of two objects. The value is forgotten when nothing else holds one of them. */
export function memoizedPair<One extends object, Other extends object, Value>(
  make: (one: One, other: Other) => Value,
): (one: One, other: Other) => Value {
  const of = memoized((one: One) => memoized((other: Other) => make(one, other)));
  return (one, other) => of(one)(other);
}

/**
 * Returns the key's value in the map. If there is none, makes the value and adds it. This function is for values that
 * are made of more than their key; for others there is `memoized`. The map may be a Map, a WeakMap, a `WeakValues` or a
 * `BoundedMap`.
 */
export function getOrMake<Key, Value>(
  map: { get(key: Key): Value | undefined; set(key: Key, value: Value): unknown },
  key: Key,
  make: () => Value,
): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
