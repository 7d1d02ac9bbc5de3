// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c } from "./crc32c.ts";

test("the examples of RFC 3720, B.4", () => {
  const check = (bytes: Uint8Array, want: number): void => assert.equal(crc32c(bytes), want);
  check(new Uint8Array(32), 0x8a9136aa);
  check(new Uint8Array(32).fill(0xff), 0x62a8ab43);
  check(
    Uint8Array.from({ length: 32 }, (_, index) => index),
    0x46dd794e,
  );
  check(Buffer.from("123456789"), 0xe3069283);
  check(new Uint8Array(), 0);
});
