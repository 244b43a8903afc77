/**
 * Nothing is left: a command that starts processes in every way in which they get away, ended in every way in which a
 * command ends, contained by each means. The survivors are counted by an observer that knows nothing of the means.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { lineOf } from "../helpers/act.js";
import { childPath } from "../helpers/children.js";
import { AWAY, inOtherProcess, isBaseGone, withMark } from "../helpers/contained.js";
import { launch, launchRun } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

const torture = childPath("torture");
const MEANS = ["cgroup", "keeper", "namespace"] as const;

for (const contain of MEANS) {
  test(`${contain}: the end of a scope ends everything`, () =>
    withMark(async (mark) => {
      const child = await launch(torture, ["stay"], { contain, env: mark.env, forceKillAfterDelay: 50 });
      try {
        assert.equal(await lineOf(child.stdout), `${AWAY} away`);
        assert.equal(mark.living().length, AWAY + 1);
      } finally {
        await child[Symbol.asyncDispose]();
      }
      assert.deepEqual(mark.living(), []);
      assert.equal(child.exit?.kind === "killed" && child.exit.signal, "SIGKILL");
      assert.equal(child.reason, "terminated");
      assert.equal(child.containment?.by, contain);
      assert.equal(child.containment?.ended.length, AWAY);
      assert.deepEqual(child.containment?.survivors, []);
    }));

  test(`${contain}: terminate() settles when nothing is left`, () =>
    withMark(async (mark) => {
      const child = await launch(torture, ["stay"], { contain, env: mark.env, forceKillAfterDelay: 50 });
      await lineOf(child.stdout);
      await child.terminate();
      assert.deepEqual(mark.living(), []);
      await child.closed;
    }));

  test(`${contain}: a timeout ends everything`, () =>
    withMark(async (mark) => {
      const result = await launchRun(torture, ["stay"], {
        contain,
        env: mark.env,
        timeout: 200,
        forceKillAfterDelay: 20,
        reject: false,
      });
      assert.deepEqual(mark.living(), []);
      assert.equal(result.reason, "timeout");
      assert.deepEqual(result.containment?.survivors, []);
    }));

  test(`${contain}: an abort ends everything`, () =>
    withMark(async (mark) => {
      const controller = new AbortController();
      const child = await launch(torture, ["stay"], {
        contain,
        env: mark.env,
        signal: controller.signal,
        forceKillAfterDelay: 20,
      });
      await lineOf(child.stdout);
      controller.abort();
      await child.closed;
      assert.deepEqual(mark.living(), []);
      assert.equal(child.reason, "aborted");
    }));

  test(`${contain}: what outlives a command that ended by itself is ended`, () =>
    withMark(async (mark) => {
      const result = await launchRun(torture, ["leave"], { contain, env: mark.env, forceKillAfterDelay: 20, reject: false });
      assert.deepEqual(mark.living(), []);
      assert.equal(result.exit.kind === "exited" && result.exit.code, 5);
      assert.equal(result.reason, "exit");
      assert.equal(result.stdout, `${AWAY} away\n`);
      assert.equal(result.containment?.ended.length, AWAY);
    }));

  test(`${contain}: those that start more while they are being ended are ended`, () =>
    withMark(async (mark) => {
      const child = await launch(torture, ["stay", "burst"], { contain, env: mark.env, forceKillAfterDelay: 10 });
      await lineOf(child.stdout);
      await child.terminate();
      assert.deepEqual(mark.living(), []);
      await child.closed;
    }));

  test(`${contain}: 'using', which doesn't wait, ends everything`, () =>
    withMark(async (mark) => {
      const child = await launch(torture, ["stay"], { contain, env: mark.env });
      await lineOf(child.stdout);
      child[Symbol.dispose]();
      child.ref();
      assert.deepEqual(await mark.settle(), []);
      await child.closed;
    }));

  const ENDS = {
    "process.exit": "process.exit(3)",
    "an uncaught exception": "throw new Error('uncaught')",
    SIGKILL: "process.kill(process.pid, 'SIGKILL')",
    SIGSEGV: "process.kill(process.pid, 'SIGSEGV')",
  };
  for (const [how, end] of Object.entries(ENDS)) {
    test(`${contain}: our end by ${how} ends everything`, () =>
      withMark(async (mark) => {
        const { stdout, leaf } = await inOtherProcess({ contain, mark, args: ["stay"], end });
        assert.match(stdout, new RegExp(`^${AWAY} away`));
        assert.deepEqual(await mark.settle(), []);
        if (contain === "cgroup") assert.ok(await isBaseGone(leaf));
      }));
  }
}

/** What a column of the document's table says of each process, by the words of its row. */
function column(head: string): Map<string, string> {
  const text = readFileSync(new URL("../../../docs/containment.md", import.meta.url), "utf8");
  const table = text.slice(text.indexOf("<!-- bench/containment.mjs -->"), text.indexOf("<!-- end -->"));
  const [heads = [], , ...rows] = table
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    );
  const at = heads.indexOf(head);
  assert.ok(at > 0, head);
  return new Map(rows.map((cells) => [cells[0] as string, cells[at] as string]));
}

/** The processes of the torture child by their names, in the words of the document. */
const WAYS: Record<string, string> = {
  plain: "a child",
  "own group": "setpgid",
  "own session": "setsid",
  orphan: "its parent has ended",
  "orphan session": "setsid, then its parent has ended",
  "without fds": "closes every fd, and its parent has ended",
  "kworker/0:1": "renames itself, and its parent has ended",
  daemonised: "daemon(3)",
  reparented: "the fifth of a chain whose links have ended, then setsid",
};

test("the document's table says of each means what the tests above show", () => {
  for (const contain of MEANS) {
    const [killed, ...rest] = [...column(`\`"${contain}"\``)].reverse().map(([, cell]) => cell);
    assert.equal(killed, `0 of ${AWAY + 1}`);
    assert.deepEqual(new Set(rest), new Set(["ends"]));
  }
});

test("group: what leaves the group gets away, the rest is ended, as the document says", () =>
  withMark(async (mark) => {
    const child = await launch(torture, ["stay"], { contain: "group", env: mark.env, forceKillAfterDelay: 20 });
    await lineOf(child.stdout);
    await child.terminate();
    const names = mark.living().map((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim());
    assert.deepEqual(names.sort(), ["daemonised", "orphan session", "own group", "own session", "reparented"]);
    const said = column('`"group"`');
    for (const [name, words] of Object.entries(WAYS))
      assert.equal(said.get(words), names.includes(name) ? "lives on" : "ends", name);
    await child[Symbol.asyncDispose]();
  }));
