/**
 * A spawn host in a user namespace, and one that is made through it: what they start are our children all the same, with the
 * ids that the namespace gives them. user_namespaces(7)
 */

import assert from "node:assert/strict";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

/** Gives what it is like through a host in such a namespace, and through one that was made through that. */
const CODE = `
import { readFileSync, readlinkSync } from "node:fs";
import { takeStock } from ${JSON.stringify(import.meta.resolve("../helpers/leaks.js"))};
const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});

const own = readlinkSync("/proc/self/ns/user");
const map = (outside) => [{ inside: 0, outside, count: 1 }];
const ppid = (pid) => Number(/^PPid:\\s*(\\d+)/m.exec(readFileSync("/proc/" + pid + "/status", "utf8"))[1]);
const failure = ({ name, code, stage }) => [name, code, stage];

async function look(host, options = {}) {
  const child = await host.spawn("sh", ["-c", "id -u; readlink /proc/self/ns/user; cat"], options);
  const ours = ppid(child.pid) === process.pid;
  child.stdin.end("fed");
  const [uid, namespace, fed] = (await child.stdout.text()).split("\\n");
  const exit = await child.closed;
  return { ours, uid, namespace, fed, exit: [exit.kind, exit.code] };
}

async function scenes() {
  const first = await SpawnHost.start({ namespaces: ["user"], uidMap: map(process.getuid()), gidMap: map(process.getgid()) });
  const second = await SpawnHost.start({ through: first, nice: 19 });
  const parents = [first, second].map(({ pid, relay }) => [ppid(pid) === process.pid, relay]);
  const looks = [await look(first), await look(second), await look(second, { contain: "keeper" })];
  const oneNamespace = looks.every(({ namespace }) => namespace === looks[0].namespace && namespace !== own);
  for (const one of looks) delete one.namespace;

  const sleeper = await second.spawn("sleep", ["100"], { stdio: "ignore" });
  sleeper.kill("SIGTERM");
  const { kind, signal } = await sleeper.exited;
  const embryo = await second.create();
  await embryo.setresuid(0, 0, 0);
  const stepped = await (await embryo.exec("nice")).output();

  // In there privileges for that namespace are to be had.
  const third = await SpawnHost.start({ through: second, namespaces: ["mount"] });
  const { stdout: mounts } = await third.run("readlink", ["/proc/self/ns/mnt"]);
  const mounted = mounts.trim() !== readlinkSync("/proc/self/ns/mnt") && third.relay === false;
  await third[Symbol.asyncDispose]();

  // Nobody out here may write the maps of a namespace below it.
  const below = [
    await second.spawn("true", { namespaces: ["user"] }).catch(failure),
    await SpawnHost.start({ through: second, namespaces: ["user"] }).catch(failure),
  ];

  // A host was needed to make another, no longer: that one is ours.
  process.kill(first.pid, "SIGKILL");
  while (first.pid !== null) await new Promise(setImmediate);
  const after = await look(second);
  await second[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  return { parents, looks, oneNamespace, killed: [kind, signal], stepped: stepped.stdout, mounted, below, after: [after.ours, after.uid] };
}

await scenes(); // what an environment makes once is there
const compare = takeStock();
const told = await scenes();
await compare();
done(told);
`;

const LOOK = { ours: true, uid: "0", fed: "fed", exit: ["exited", 0] };
const REFUSED = ["SpawnError", "EPERM", "idMap"];

for (const [who, options] of [
  ["root", {}],
  ["an ordinary user", { uid: 65534, gid: 65534 }],
] as const) {
  test(`as ${who}: through a host in a user namespace, and through one made through that, children are ours, with its ids`, async () => {
    const kept = { ...LOOK, ours: false };
    assert.deepEqual(await inNode(CODE, options), {
      parents: [
        [true, false],
        [true, false],
      ],
      looks: [LOOK, LOOK, kept],
      oneNamespace: true,
      killed: ["killed", "SIGTERM"],
      stepped: "19\n",
      mounted: true,
      below: [REFUSED, REFUSED],
      after: [true, "0"],
    });
  });
}
