// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate authority in a temporary directory, whose certificate is `ca.crt`. */
export interface TestAuthority {
  file(name: string): string;
  /** Writes `name.crt` and `name.key` for a subject such as "DNS:otel.test" or "IP:127.0.0.1"; -1 days make them expired. */
  issue(name: string, subject: string, days?: 2 | -1): void;
  remove(): void;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** Makes a new certificate authority. Needs the program `openssl`. */
export function createTestAuthority(): TestAuthority {
  const folder = mkdtempSync(join(tmpdir(), "authority-"));
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: readonly string[]): void => {
    execFileSync("openssl", args, { stdio: "ignore" });
  };
  openssl(
    ...["req", "-x509", ...NEW_KEY, "-subj", "/CN=test-ca", "-days", "2"],
    ...["-keyout", file("ca.key"), "-out", file("ca.crt")],
  );
  return {
    file,
    issue(name, subject, days = 2) {
      writeFileSync(file(`${name}.ext`), `subjectAltName=${subject}\n`);
      openssl(
        ...["req", ...NEW_KEY, "-subj", `/CN=${name}`],
        ...["-keyout", file(`${name}.key`), "-out", file(`${name}.csr`)],
      );
      openssl(
        ...["x509", "-req", "-in", file(`${name}.csr`), "-CA", file("ca.crt"), "-CAkey", file("ca.key")],
        ...[
          "-CAcreateserial",
          "-days",
          String(days),
          "-extfile",
          file(`${name}.ext`),
          "-out",
          file(`${name}.crt`),
        ],
      );
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}
