/**
 * What `preexec_fn` is used for: code of the user's between the fork and the exec. Here it runs in the parent.
 */

import assert from "node:assert/strict";
import { spawnAsync } from "brood";
import { test } from "../../helpers/test.js";

test("P10: the user's code runs between clone and exec, with all of its own process at hand", async () => {
  const seen: number[] = [];
  const child = await spawnAsync("sh", ["-c", "umask; nice; ulimit -c"], {
    preexec: async (embryo) => {
      // Timers, promises, allocation, modules: what a forked child must not do.
      await new Promise((resolve) => setTimeout(resolve, 1));
      const { constants } = await import("node:os");
      seen.push(embryo.pid, constants.signals.SIGKILL);
      await embryo.umask(0o77);
      await embryo.setpriority(6);
      await embryo.setrlimit("core", 0);
    },
  });
  assert.deepEqual(seen, [child.pid, 9]);
  assert.equal((await child.output()).stdout, "0077\n6\n0\n");
});

test("P10: its exception is reported as such, with what it was; nothing was executed", async () => {
  class Refused extends Error {}
  const cause = new Refused("no");
  await assert.rejects(
    spawnAsync("sh", ["-c", "touch /tmp/never"], {
      preexec() {
        throw cause;
      },
    }),
    { name: "SpawnError", stage: "preexec", code: "ERR_PREEXEC", cause },
  );
});

test("P10: what it was mostly used for are plain options, which need no code", async () => {
  const child = await spawnAsync("sh", ["-c", "umask; nice; ulimit -c; id -G"], {
    umask: 0o77,
    nice: 6,
    rlimits: { core: 0 },
    groups: [3],
    gid: 3,
    parentDeathSignal: "SIGTERM",
    session: true,
  });
  assert.equal((await child.output()).stdout, "0077\n6\n0\n3\n");
});
