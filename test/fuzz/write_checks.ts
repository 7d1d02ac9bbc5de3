// SPDX-License-Identifier: Apache-2.0
import { uncompress } from "snappyjs";
import { decodeMixed, keyOf, type WrittenSample } from "../kit/oracle/remote_write.ts";
import type { Identity } from "./page_checks.ts";
import { faultsOfHelp, faultsOfIdentity, faultsOfLabel } from "./said_of_whom.ts";

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const KEYS = {
  sandbox_id: "sandbox_id",
  cri_uid: "cri_uid",
  cri_name: "cri_name",
  cri_namespace: "cri_namespace",
};
/** Returns the faults of a remote write request of version 1.0. */
export function judgeWrite(compressed: Buffer, known: ReadonlyMap<string, Identity>): string[] {
  try {
    const { samples, metadata } = decodeMixed(new Uint8Array(uncompress(compressed)));
    return [
      ...metadata.flatMap(({ name, help }) => faultsOfHelp(name, help)),
      ...samples.flatMap((sample) => faultsOfSample(sample, known)),
      ...faultsOfSet(samples),
    ];
  } catch (error) {
    return [`cannot be read: ${error instanceof Error ? error.message : error}`];
  }
}

function faultsOfSample({ labels }: WrittenSample, known: ReadonlyMap<string, Identity>): string[] {
  const faults: string[] = [];
  const names = labels.map(([name]) => name);
  if (names.some((name, index) => index > 0 && name <= (names[index - 1] ?? "")))
    faults.push(`labels are not in order: ${names.join()}`);
  for (const [name, value] of labels) {
    if (name === "__name__") {
      if (!METRIC_NAME.test(value)) faults.push(`metric name ${JSON.stringify(value)}`);
    } else if (!LABEL_NAME.test(name) || name.startsWith("__"))
      faults.push(`label name ${JSON.stringify(name)}`);
    if (value === "") faults.push(`label ${name} without a value`);
    faults.push(...faultsOfLabel(name, value));
  }
  const said = new Map(labels);
  if (!said.has("__name__")) faults.push("series without a name");
  faults.push(...faultsOfIdentity(said, KEYS, known));
  return faults.map((fault) => `${keyOf(labels).slice(0, 300)}: ${fault}`);
}

/** Returns the series that have two values of the same time. */
function faultsOfSet(samples: readonly WrittenSample[]): string[] {
  const seen = new Set<string>();
  return samples.flatMap(({ labels, timeMs }) => {
    const key = `${keyOf(labels)} at ${timeMs}`;
    if (seen.has(key)) return [`twice in one request: ${key.slice(0, 300)}`];
    seen.add(key);
    return [];
  });
}
