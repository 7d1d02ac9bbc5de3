// SPDX-License-Identifier: Apache-2.0
import type { Fault, Origin } from "./fault.ts";
import { type ConfigNode, originOf, type Path } from "./node.ts";
import type { SecretLines } from "./secrets.ts";

/** What checking one tree brings to light. */
export class Findings {
  readonly faults: Fault[] = [];
  readonly warnings: Fault[] = [];
  readonly tree: ConfigNode;
  readonly secretLines: SecretLines;

  constructor(tree: ConfigNode, secretLines: SecretLines) {
    this.tree = tree;
    this.secretLines = secretLines;
  }

  /** Without an origin, the fault stands where `path` leads. */
  fault(path: Path, message: string, origin?: Origin): undefined {
    this.faults.push({ origin: origin ?? originOf(this.tree, path), path, message });
  }

  /** As `fault`, of what need not be changed. */
  warn(path: Path, message: string, origin?: Origin): void {
    this.warnings.push({ origin: origin ?? originOf(this.tree, path), path, message });
  }
}
