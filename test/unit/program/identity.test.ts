/**
 * Who the child runs as, and what is filled in from the accounts.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Identity, planIdentity } from "#dist/program/identity.js";
import type { ProgramOptions } from "#dist/program/options.js";
import { fakeFacts } from "../../helpers/decode-program.js";

const facts = fakeFacts();
const plan = (options: ProgramOptions): Identity => planIdentity(options, facts);

test("nothing said changes nothing, and asks for no account", () => {
  const account = (): never => assert.fail("the accounts were asked");
  assert.deepEqual(planIdentity({}, fakeFacts({ account })), { uid: undefined, gid: undefined, groups: undefined });
  assert.deepEqual(planIdentity({ uid: 5, gid: 6, groups: [] }, fakeFacts({ account })), { uid: 5, gid: 6, groups: [] });
});

test("uid alone takes the group and groups of its account", () => {
  assert.deepEqual(plan({ uid: 1000 }), { uid: 1000, gid: 1001, groups: [1001, 27, 44] });
  assert.deepEqual(plan({ uid: 1000, gid: 5 }), { uid: 1000, gid: 5, groups: [1001, 27, 44] });
  assert.deepEqual(plan({ uid: 1000, groups: [5] }), { uid: 1000, gid: 1001, groups: [5] });
});

test("a uid without account needs a gid, and has no groups", () => {
  assert.deepEqual(plan({ uid: 4242, gid: 7 }), { uid: 4242, gid: 7, groups: [] });
  for (const options of [{ uid: 4242 }, { uid: 4242, groups: [1] }]) {
    assert.throws(() => plan(options), {
      code: "ERR_INVALID_ARG_VALUE",
      message: /options\.gid is needed: uid 4242 has no account/,
    });
  }
});

test("a user is taken by name, with its groups", () => {
  assert.deepEqual(plan({ user: "ann" }), { uid: 1000, gid: 1001, groups: [1001, 27, 44] });
  assert.deepEqual(plan({ user: "ann", gid: 5, groups: [] }), { uid: 1000, gid: 5, groups: [] });
});

test("gid and groups stand alone too", () => {
  assert.deepEqual(plan({ gid: 5 }), { uid: undefined, gid: 5, groups: undefined });
  assert.deepEqual(plan({ groups: [3, 4] }), { uid: undefined, gid: undefined, groups: [3, 4] });
});

test("the largest id is 2^32-2: -1 means unchanged to the kernel", () => {
  const most = 0xfffffffe;
  assert.deepEqual(plan({ uid: most, gid: most, groups: [most] }), { uid: most, gid: most, groups: [most] });
  for (const options of [
    { uid: most + 1 },
    { gid: most + 1 },
    { groups: [0, most + 1] },
    { uid: -1 },
    { gid: -1 },
    { gid: 1.5 },
  ]) {
    assert.throws(() => plan(options), { name: "RangeError", code: "ERR_OUT_OF_RANGE" });
  }
});

test("a group list with holes is refused: a hole would be group 0", () => {
  const groups = new Array<number>(2);
  groups[1] = 5;
  assert.throws(() => plan({ groups }), { code: "ERR_INVALID_ARG_TYPE", message: /options\.groups\[0\]/ });
});

const bad: [options: unknown, code: string, says: RegExp][] = [
  [{ uid: "0" }, "ERR_INVALID_ARG_TYPE", /options\.uid must be a number, not "0"/],
  [{ gid: null }, "ERR_INVALID_ARG_TYPE", /options\.gid must be a number/],
  [{ groups: 5 }, "ERR_INVALID_ARG_TYPE", /options\.groups must be an array/],
  [{ groups: [1, "2"] }, "ERR_INVALID_ARG_TYPE", /options\.groups\[1\] must be a number/],
  [{ user: 1000 }, "ERR_INVALID_ARG_TYPE", /options\.user must be the name of an account/],
  [{ user: "nobody-there" }, "ERR_INVALID_ARG_VALUE", /options\.user must be an account of this system/],
  [{ user: "an\0n" }, "ERR_INVALID_ARG_VALUE", /options\.user must not contain a NUL/],
  [{ user: "ann", uid: 1000 }, "ERR_OPTION_CONFLICT", /options\.user and options\.uid exclude each other/],
];

test("wrong identities are refused", () => {
  for (const [options, code, says] of bad) {
    assert.throws(() => plan(options as ProgramOptions), { name: "TypeError", code, message: says });
  }
});
