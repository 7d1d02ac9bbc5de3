// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { backupPath, backupsOf, outdatedOf, type Rotation } from "./rotation.ts";

const TIME_MS = Date.UTC(2022, 8, 14, 5, 2, 14, 173);

test("the time is in front of the extension, as lumberjack writes it", () => {
  const check = (path: string, wanted: string): void =>
    assert.equal(backupPath(path, TIME_MS, false), wanted);
  check("/var/data.json", "/var/data-2022-09-14T05-02-14.173.json");
  check("data", "data-2022-09-14T05-02-14.173");
  check("/a.b/data.x.json", "/a.b/data.x-2022-09-14T05-02-14.173.json");
});

test("the time can be read from a name, also a local one", () => {
  for (const isLocalTime of [false, true]) {
    const path = backupPath("/var/data.json", TIME_MS, isLocalTime);
    const [backup] = backupsOf("/var/data.json", [path.slice("/var/".length)], isLocalTime);
    assert.equal(backup?.timeMs, TIME_MS);
  }
});

test("other files are not taken for old files of this one", () => {
  const names = [
    "data.json",
    "data-2022-09-14T05-02-14.173.json.gz",
    "data-2022-09-14.json",
    "data-x-2022-09-14T05-02-14.173.json",
    "other-2022-09-14T05-02-14.173.json",
  ];
  assert.deepEqual(backupsOf("/var/data.json", names, false), []);
});

test("the oldest files are removed, by number and by age", () => {
  const DAY_MS = 86_400_000;
  const nowMs = TIME_MS + 10 * DAY_MS;
  const names = [3, 9, 1, 5].map((days) => backupPath("f.json", nowMs - days * DAY_MS, false));
  const check = (limits: Partial<Rotation>, wantedDays: readonly number[]): void => {
    const rotation = { bytesMax: 1, daysMax: 0, backupsMax: 0, isLocalTime: false, ...limits };
    const outdated = outdatedOf(backupsOf("f.json", names, false), rotation, nowMs);
    assert.deepEqual(
      outdated.map(({ timeMs }) => (nowMs - timeMs) / DAY_MS),
      wantedDays,
    );
  };
  check({}, []);
  check({ backupsMax: 2 }, [5, 9]);
  check({ daysMax: 4 }, [5, 9]);
  check({ daysMax: 5 }, [9]);
  check({ daysMax: 8, backupsMax: 1 }, [3, 5, 9]);
});
