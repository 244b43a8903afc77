/**
 * New namespaces: each by itself, id maps, and what an ordinary user can be in them.
 */

import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { run, spawn } from "brood";
import { inNode } from "../helpers/in-node.js";
import { parentOf } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

const NOBODY = { uid: 65534, gid: 65534 };
/** By the names of options, those of /proc/PID/ns. */
const FILES = { user: "user", mount: "mnt", pid: "pid", net: "net", ipc: "ipc", uts: "uts", cgroup: "cgroup" } as const;
const ours = (file: string): string => readlinkSync(`/proc/self/ns/${file}`);

for (const name of Object.keys(FILES) as (keyof typeof FILES)[]) {
  test(`${name}: it is new, and the others are ours`, async () => {
    const { stdout } = await run(
      "readlink",
      Object.values(FILES).map((file) => `/proc/self/ns/${file}`),
      { namespaces: [name] },
    );
    const links = stdout.trim().split("\n");
    Object.entries(FILES).forEach(([other, file], i) => {
      assert.equal(links[i] === ours(file), other !== name, `${other}: ${links[i]}`);
    });
  });
}

test("without a pid namespace the command is our child; with one, a keeper's that is pid 1", async () => {
  const child = spawn("cat", { namespaces: ["uts"] });
  assert.equal(parentOf(child.pid), process.pid);
  assert.equal(child.containment, null);
  child.stdin.end();
  await child.closed;
  const { stdout, containment } = await run("sh", ["-c", "echo $$ $PPID"], { namespaces: ["pid"] });
  assert.equal(stdout, "2 1\n");
  assert.equal(containment?.by, "namespace");
});

test("with pid and mount /proc shows the new namespace alone, and ours is left as it is", async () => {
  const { stdout } = await run("sh", ["-c", "ls -d /proc/[0-9]* | wc -l"], { namespaces: ["pid", "mount"] });
  // The keeper, the shell, and what it runs.
  assert.match(stdout, /^[3-4]\n$/);
  assert.equal(readlinkSync("/proc/self"), String(process.pid));
});

test("id maps with several ranges, and ids taken within them", async () => {
  const map = [
    { inside: 0, outside: 100_000, count: 1000 },
    { inside: 1000, outside: 5 },
  ];
  const script = "tr -s ' ' </proc/self/uid_map; tr -s ' ' </proc/self/gid_map; id -u; id -g";
  const { stdout, exit } = await run("sh", ["-c", script], {
    namespaces: ["user"],
    uidMap: map,
    gidMap: map,
    uid: 1000,
    gid: 7,
    groups: [],
  });
  const maps = " 0 100000 1000\n 1000 5 1\n";
  assert.equal(stdout, `${maps}${maps}1000\n7\n`);
  assert.equal(exit.uid, 5, "as we see it");
});

test("an ordinary user's command is root in a namespace of its own, without a network", async () => {
  const code = `
    const { stdout } = await run("sh", ["-c", "id -u; id -g; hostname inside; hostname; tail -n +2 /proc/net/route | wc -l"], {
      namespaces: ["user", "net", "uts"],
      uidMap: [{ inside: 0, outside: 65534 }],
      gidMap: [{ inside: 0, outside: 65534 }],
    });
    done(stdout);`;
  assert.equal(await inNode(code, NOBODY), "0\n0\ninside\n0\n");
});

test("without a map our own ids stay what they are", async () => {
  const { stdout } = await run("sh", ["-c", "id -u; id -g"], { namespaces: ["user"] });
  assert.equal(stdout, `${process.getuid?.()}\n${process.getgid?.()}\n`);
  assert.equal(await inNode(`done((await run("id", ["-u"], { namespaces: ["user"] })).stdout)`, NOBODY), "65534\n");
});

test("what is refused is told at its stage, and nothing is left", async () => {
  const code = `
    const failures = [];
    for (const options of [
      { namespaces: ["net"] },
      { namespaces: ["user"], uidMap: [{ inside: 0, outside: 0 }] },
      { namespaces: ["user", "pid"], gidMap: [{ inside: 0, outside: 0 }] },
    ]) {
      try { await run("true", options); } catch ({ code, stage, message }) { failures.push([code, stage, message]); }
    }
    done([failures, fs.readFileSync("/proc/self/task/" + process.pid + "/children", "utf8")]);`;
  const [failures, children] = await inNode<[(string | null)[][], string]>(code, NOBODY);
  assert.deepEqual(
    failures.map(([errno, stage]) => [errno, stage]),
    [
      ["EPERM", "clone"],
      ["EPERM", "idMap"],
      ["ERR_UNSUPPORTED", null],
    ],
  );
  assert.match(failures[0]?.[2] ?? "", /: operation not permitted, new namespaces need privileges, or "user" among them/);
  assert.match(failures[1]?.[2] ?? "", /cannot write the id maps of the user namespace: operation not permitted/);
  assert.equal(children, "");
});
