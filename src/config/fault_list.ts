// SPDX-License-Identifier: Apache-2.0
import type { ConfigOrigin, Fault } from "./fault.ts";
import { type ConfigNode, originOf, type Path } from "./node.ts";
import type { SecretLines } from "./secrets.ts";

/** Collects the faults and warnings of one tree, so that a check goes on after the first. */
export class FaultList {
  readonly all: Fault[] = [];
  readonly warnings: Fault[] = [];
  readonly tree: ConfigNode;
  /** Lines with secrets. Every check that learns of a secret adds its line. */
  readonly secretLines: SecretLines;

  constructor(tree: ConfigNode, secretLines: SecretLines) {
    this.tree = tree;
    this.secretLines = secretLines;
  }

  /** Adds a fault. Its origin is where `path` leads in the tree, unless another one is given. */
  add(path: Path, message: string, origin?: ConfigOrigin): undefined {
    this.all.push({ origin: origin ?? originOf(this.tree, path), path, message });
  }

  /** Adds a warning: like `add`, but the config is still accepted. */
  warn(path: Path, message: string, origin?: ConfigOrigin): void {
    this.warnings.push({ origin: origin ?? originOf(this.tree, path), path, message });
  }
}
