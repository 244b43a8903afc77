/**
 * The set that is a list: order, taking out at any place, once or twice.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Linked, LinkedSet } from "#dist/process/linked-set.js";

class Member implements Linked {
  older: Linked | undefined;
  newer: Linked | undefined;
  constructor(readonly name: string) {}
}

const named = (set: LinkedSet<Member>): string =>
  set
    .list()
    .map(({ name }) => name)
    .join("");
const filled = (): { set: LinkedSet<Member>; members: Member[] } => {
  const set = new LinkedSet<Member>();
  const members = ["a", "b", "c"].map((name) => new Member(name));
  for (const member of members) set.add(member);
  return { set, members };
};

test("it lists its members in the order in which they were added", () => {
  assert.equal(named(new LinkedSet()), "");
  assert.equal(named(filled().set), "abc");
});

for (const [gone, left] of [
  ["a", "bc"],
  ["b", "ac"],
  ["c", "ab"],
  ["ac", "b"],
  ["ba", "c"],
  ["bc", "a"],
  ["abc", ""],
  ["cba", ""],
] as const) {
  test(`without ${gone} it has "${left}", also if they are deleted twice, and takes them again`, () => {
    const { set, members } = filled();
    const leaving = [...gone].map((name) => members.find((member) => member.name === name) as Member);
    for (const member of [...leaving, ...leaving]) set.delete(member);
    assert.equal(named(set), left);
    for (const member of leaving) assert.deepEqual([member.older, member.newer], [undefined, undefined]);
    for (const member of leaving) set.add(member);
    assert.equal(named(set), left + gone);
  });
}

test("deleting one that was never in it changes nothing", () => {
  const { set } = filled();
  set.delete(new Member("d"));
  assert.equal(named(set), "abc");
});
