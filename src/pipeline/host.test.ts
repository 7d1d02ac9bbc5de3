// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeWitness } from "../../test/kit/kata/witness.ts";
import { WITNESSES } from "../kata/witnesses.ts";
import { createHost } from "./host.ts";

test("of two offers with one id the later counts, and when it is withdrawn, the earlier", () => {
  const witnesses = createHost().single(WITNESSES);
  const withdrawFirst = witnesses.add("cri", fakeWitness({ pods: { a: "shop/web-1" }, listed: ["a"] }));
  const withdrawLater = witnesses.add("cri", fakeWitness({ listed: [] }));
  assert.equal(witnesses.isListed("a"), false);
  withdrawLater();
  withdrawLater();
  assert.deepEqual([witnesses.isListed("a"), witnesses.podOf("a")?.name], [true, "web-1"]);
  const withdrawNext = witnesses.add("cri", fakeWitness({ listed: [] }));
  withdrawFirst();
  assert.equal(witnesses.isListed("a"), false, "as in an exchange");
  withdrawNext();
  assert.equal(witnesses.isListed("a"), undefined);
  assert.deepEqual([...witnesses.all()], []);
});
