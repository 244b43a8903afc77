/**
 * rsyscall's direct style: the parent makes the child what it is to be, call by call, before it execs.
 */

import assert from "node:assert/strict";
import { SpawnHost } from "brood/host";
import { test } from "../../helpers/test.js";

test("R13: dup, chdir, setsid, ids and limits one by one; what fails in between changes nothing", async () => {
  const host = await SpawnHost.start();
  const embryo = await host.create();
  const file = await embryo.open("/dev/zero");
  await embryo.dup2(file, 0);
  await assert.rejects(embryo.dup2(77, 0), { code: "EBADF", stage: "dup" });
  await embryo.chdir("/usr/bin");
  await assert.rejects(embryo.chdir("/usr/bin/nowhere"), { code: "ENOENT", stage: "chdir" });
  await embryo.setsid();
  await assert.rejects(embryo.setpgid("new"), { code: "EPERM", stage: "setpgid" });
  await embryo.setrlimit("nofile", 99);
  await embryo.setresgid(3);
  await embryo.setgroups([]);
  await embryo.setresuid(4);
  await assert.rejects(embryo.setresuid(0), { code: "EPERM", stage: "setuid" });
  await assert.rejects(embryo.exec("/nowhere"), { code: "ENOENT", stage: "exec" });
  const child = await embryo.exec("sh", [
    "-c",
    "pwd; ulimit -n; id -u; id -g; head -c 3 | wc -c; ps -o sid= -p $$ 2>/dev/null || true",
  ]);
  const { stdout } = await child.output();
  assert.deepEqual(stdout.split("\n").slice(0, 5), ["/usr/bin", "99", "4", "3", "3"]);
  await host[Symbol.asyncDispose]();
});
