// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { isSha1Of, parseHtpasswd } from "./htpasswd.ts";

const BCRYPT = `$2y$05$${"a".repeat(53)}`;
/** The hashes of "myPassword" in Apache's documentation. */
const SHA = "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=";

test("each kind of hash is accepted, or refused by name with the way out", () => {
  const check = (text: string, names: readonly string[], fault?: string): void => {
    const parsed = parseHtpasswd(text);
    assert.deepEqual([...parsed.hashes.keys()], names, text);
    assert.equal(parsed.fault, fault, text);
  };
  check(`a:${BCRYPT}\n\n# more\r\n  b:${SHA} \r\n`, ["a", "b"]);
  for (const kind of ["2a", "2b", "2y"]) check(`a:${BCRYPT.replace("2y", kind)}`, ["a"]);
  const way = "make it with htpasswd -B";
  check("a:$apr1$xyz$abc", [], `line 1 has a hash by MD5 (apr1), which is not supported; ${way}`);
  check("a:$1$xyz$abc", [], `line 1 has a hash by MD5 (apr1), which is not supported; ${way}`);
  check(`b:${SHA}\na:$6$xyz$abc`, ["b"], `line 2 has a hash by crypt, which is not supported; ${way}`);
  check("a:secret", [], `line 1 has no hash that is known, or a password in the clear; ${way}`);
  check(`a:${BCRYPT.slice(0, -1)}`, [], "line 1 has a hash by bcrypt that is not whole");
  check(`a:${BCRYPT.replace("05", "15")}`, [], "line 1 has a bcrypt hash of cost 15, which must be 4 to 14");
  check(`a:${BCRYPT.replace("05", "03")}`, [], "line 1 has a bcrypt hash of cost 03, which must be 4 to 14");
  check("a:{SHA}YQ==", [], "line 1 has a hash by SHA-1 that is not whole");
  check("a", [], 'line 1 is no "name:hash"');
  check(`:${SHA}`, [], 'line 1 is no "name:hash"');
  check("# nobody", [], "it has no line with a name and a hash");
});

test("of two lines with one name the last one counts", () => {
  assert.equal(parseHtpasswd(`a:${BCRYPT}\na:${SHA}`).hashes.get("a")?.kind, "sha1");
});

test("a hash by SHA-1 is of its password and no other one", () => {
  assert.ok(isSha1Of("myPassword", SHA));
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (password, salt, other) => {
      const digest = createHash("sha1").update(password).update(`s${salt}`).digest();
      const text = `{SSHA}${Buffer.concat([digest, Buffer.from(`s${salt}`)]).toString("base64")}`;
      assert.equal(parseHtpasswd(`a:${text}`).fault, undefined);
      assert.ok(isSha1Of(password, text));
      assert.equal(isSha1Of(other, text), other === password);
    }),
    { numRuns: 200 },
  );
});

test("no fault quotes a line", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const { fault } = parseHtpasswd(`s3cret${text}`);
      assert.ok(fault === undefined || !fault.includes("s3cret"), fault);
    }),
  );
});
