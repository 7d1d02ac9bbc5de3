// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "../../cri/pod.ts";
import { compileExtract, extractSchema } from "./extract.ts";

const POD: Pod = {
  id: "s1",
  uid: "u1",
  name: "web-1",
  namespace: "shop",
  runtimeHandler: "kata",
  labels: new Map([
    ["pod-template-hash", "abc"],
    ["app", "web"],
    ["app.kubernetes.io/part-of", "shop"],
    ["app.kubernetes.io/name", "web"],
    ["empty", ""],
  ]),
  annotations: new Map([["owner", "team-a"]]),
};

/** The extracted attributes as texts. */
function check(extract: unknown, want: readonly string[], pod: Partial<Pod> = {}): void {
  const config = extractSchema.parse({ metadata: [], ...(extract as object) });
  const got = compileExtract(config)({ ...POD, ...pod }).map(({ key, value }) => `${key}=${value}`);
  assert.deepEqual(got, want);
}

function checkFault(rule: unknown, path: string, message: RegExp): void {
  const result = extractSchema.safeParse({ labels: [rule] });
  const issue = result.error?.issues[0];
  assert.ok(issue !== undefined, `accepted ${JSON.stringify(rule)}`);
  assert.equal(issue.path.slice(2).join("."), path);
  assert.match(issue.message, message);
}

test("the pod's names come in one order, whatever the order of the config", () => {
  const names = ["k8s.pod.uid=u1", "k8s.pod.name=web-1", "k8s.namespace.name=shop"];
  const all = [...names, "kata.runtime.handler=kata"];
  const got = compileExtract(extractSchema.parse({}))(POD).map(({ key, value }) => `${key}=${value}`);
  assert.deepEqual(got, all);
  check({ metadata: ["kata.runtime.handler", "k8s.pod.uid"] }, [
    "k8s.pod.uid=u1",
    "kata.runtime.handler=kata",
  ]);
});

test("names that the runtime does not know are left out", () => {
  check({ metadata: ["k8s.pod.uid", "k8s.pod.name"] }, ["k8s.pod.name=web-1"], { uid: "" });
});

test("a rule by key takes the label under its tag name, or under the conventions' name", () => {
  check({ labels: [{ key: "app", tag_name: "service.name" }] }, ["service.name=web"]);
  check({ labels: [{ key: "app", from: "pod" }] }, ["k8s.pod.label.app=web"]);
  check({ annotations: [{ key: "owner" }] }, ["k8s.pod.annotation.owner=team-a"]);
  check({ labels: [{ key: "empty" }] }, ["k8s.pod.label.empty="]);
  check({ labels: [{ key: "absent" }] }, []);
  check({ labels: [{ key: "constructor" }] }, []);
});

test("a rule by expression takes every label whose whole key matches, sorted by key", () => {
  check({ labels: [{ key_regex: "app" }] }, ["k8s.pod.label.app=web"]);
  check({ labels: [{ key_regex: "app|empty" }] }, ["k8s.pod.label.app=web", "k8s.pod.label.empty="]);
  check({ labels: [{ key_regex: "app\\.kubernetes\\.io/(.*)", tag_name: "app_$1" }] }, [
    "app_name=web",
    "app_part-of=shop",
  ]);
});

test("a label that names its attribute by itself cannot use a reserved name", () => {
  const all = { key_regex: "(.*)" };
  const pod = (labels: Readonly<Record<string, string>>) => ({ labels: new Map(Object.entries(labels)) });
  const hostile = pod({
    ...{
      job: "etcd",
      namespace: "kube-system",
      tenant: "t",
      "service.name": "billing",
      "k8s.node.name": "n",
    },
    ...{ "kubernetes.io/x": "1", __name__: "up", "exported.job": "x", sandbox_id: "s" },
  });
  check({ labels: [{ ...all, tag_name: "$1" }] }, ["kubernetes.io/x=1"], hostile);
  check({ labels: [{ ...all, tag_name: "team.$1" }] }, ["team.job=etcd"], pod({ job: "etcd" }));
  // The operator may use any name.
  check({ labels: [{ key: "app", tag_name: "service.name" }] }, ["service.name=web"], pod({ app: "web" }));
});

test("a tag name refers to groups as Go's Expand does", () => {
  const nameIn = (tagName: string, want: string) => {
    check({ labels: [{ key_regex: "(?<first>pod)-(template)-hash", tag_name: tagName }] }, [`${want}=abc`]);
  };
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Go's way to set a reference off from what follows.
  nameIn("${1}x", "podx");
  nameIn("$1-$2", "pod-template");
  nameIn("$first.$2", "pod.template");
  nameIn("$$$0", "$pod-template-hash");
  check({ labels: [{ key_regex: "(x?)app", tag_name: "$1" }] }, [], {});
});

test("a later rule wins, but no label replaces the pod's own names", () => {
  check(
    {
      labels: [
        { key: "app", tag_name: "a" },
        { key: "pod-template-hash", tag_name: "a" },
      ],
    },
    ["a=abc"],
  );
  check({ labels: [{ key_regex: "(.*)", tag_name: "$1" }] }, ["constructor=b", "toString=c"], {
    labels: new Map([
      ["toString", "c"],
      ["constructor", "b"],
      ["__proto__", "a"],
    ]),
  });
  const forged = { labels: new Map([["k8s.pod.uid", "somebody else"]]) };
  check({ labels: [{ key_regex: "(.*)", tag_name: "$1" }] }, [], forged);
  check(
    { metadata: ["k8s.pod.uid"], labels: [{ key_regex: "(.*)", tag_name: "$1" }] },
    ["k8s.pod.uid=u1"],
    forged,
  );
});

test("the attributes of one pod are limited in number and length", () => {
  const labels = new Map(Array.from({ length: 100 }, (_, index) => [`l${100 + index}`, "v"]));
  const extract = compileExtract(extractSchema.parse({ metadata: [], labels: [{ key_regex: ".*" }] }));
  assert.equal(extract({ ...POD, labels }).length, 64);
  const [long] = extract({ ...POD, labels: new Map([["l", `${"x".repeat(1_023)}\u{1f600}`]]) });
  assert.equal(long?.value.length, 1_024);
  assert.ok(long.value.isWellFormed());
});

test("a rule that cannot work is refused, with its path", () => {
  checkFault({}, "", /either key or key_regex/);
  checkFault({ key: "a", key_regex: "b" }, "", /either key or key_regex/);
  checkFault({ key_regex: "(" }, "key_regex", /must be a regular expression/);
  checkFault({ key_regex: "(?=a)b" }, "key_regex", /must be a regular expression of RE2: .*no lookaround/);
  checkFault({ key_regex: "a)|(b" }, "key_regex", /must be a regular expression/);
  checkFault({ key_regex: "a.*", tag_name: "a" }, "tag_name", /more than one key may match/);
  checkFault({ key_regex: "(a)", tag_name: "$1_x" }, "tag_name", /has no "1_x"/);
  checkFault({ key: "a", from: "namespace" }, "from", /knows no other object/);
});
