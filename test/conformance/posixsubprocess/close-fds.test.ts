/**
 * Which of our other fds survive exec. The rungs are read when the addon loads, hence processes of their own.
 */

import assert from "node:assert/strict";
import { childPath } from "../../helpers/children.js";
import { inNode } from "../../helpers/in-node.js";
import { test } from "../../helpers/test.js";

const OPEN = `
const open = [40, 41, 42, 63, 64, 65, 300, 301, 777].map((at) => self.duplicate(1, at));
const kept = (options) => fdsOf(forkReport(options));
`;
const FILTER = `
const filter = { exports: {} };
process.dlopen(filter, ${JSON.stringify(childPath("filter_addon"))});
forkReport();
`;

for (const rung of ["close_range", "getdents", "brute"]) {
  const env = { BROOD_CLOSE: rung };

  test(`P4: with closing by ${rung} only the kept fds survive, and the parent's flags stay`, async () => {
    const result = await inNode<{ none: number[]; some: number[]; flags: number[][] }>(
      `${OPEN}
       self.setCloexec(300, 1);
       const flags = () => open.map((fd) => self.getCloexec(fd));
       const before = flags();
       const none = kept({});
       const some = kept({ fdsToKeep: [300, 41, 40] });
       done({ none, some, flags: [before, flags()] });`,
      { env },
    );
    assert.deepEqual(
      [result.none, result.some],
      [
        [0, 1, 2],
        [0, 1, 2, 40, 41, 300],
      ],
    );
    assert.deepEqual(result.flags[0], result.flags[1]);
    assert.deepEqual(result.flags[0], [0, 0, 0, 0, 0, 0, 1, 0, 0]);
  });

  test(`P4: by ${rung} fds above a lowered RLIMIT_NOFILE are closed, or kept`, async () => {
    const fds = await inNode<number[][]>(
      `${OPEN}
       forkReport();
       const limit = Number(fs.readFileSync("/proc/self/limits", "utf8").match(/Max open files +(\\d+)/)[1]);
       self.limit(7, 62);
       const fds = [kept({}), kept({ fdsToKeep: [777] })];
       self.limit(7, limit);
       done([...fds, kept({ rlimits: { nofile: 20 } })]);`,
      { env },
    );
    assert.deepEqual(fds, [
      [0, 1, 2],
      [0, 1, 2, 777],
      [0, 1, 2],
    ]);
  });
}

test("P4: a rung that fails midway hands over to the next one", async () => {
  // close_range is refused for the gap behind fd 300, after it went well for those before; then so is reading the
  // directory that was opened. The child must not list one either.
  for (const rules of ["close_range:0x100=EPERM", "close_range:0x100=EPERM getdents64=EPERM"]) {
    const said = await inNode<string>(
      `${OPEN} ${FILTER}
       const script = "for fd in 9 " + open.join(" ") + "; do [ -e /proc/$$/fd/$fd ] && echo $fd; done; :";
       filter.exports.install(${JSON.stringify(rules)});
       done(forkToEnd(["sh", "-c", script], ["/bin/sh"], { fdsToKeep: [300, 64], fds: { 9: "ignore" } }).said);`,
    );
    assert.equal(said, "9\n64\n300\n", rules);
  }
});

test("P4: an interrupted close is not repeated", async () => {
  // The filter closes nothing, as the kernel would have. On the fork rung our copy of the report's other end would so stay
  // open, and its end never come: what the child does is the same on all.
  const clone = process.env["BROOD_CLONE"] === "fork" ? { BROOD_CLONE: "vfork" } : {};
  for (const rung of ["getdents", "brute"]) {
    const end = await inNode<string>(
      // Every close of this thread, and of the child, is "interrupted". One that tries again would do so for ever.
      `${OPEN} ${FILTER}
       filter.exports.install("close=EINTR");
       const child = posix.forkExec(["nothing"], [childPath("nothing")]);
       done(posix.waitid("P_PIDFD", child.pidfd).kind);`,
      { env: { BROOD_CLOSE: rung, ...clone } },
    );
    assert.equal(end, "exited");
  }
});

test("P13: with closeFds false exactly our fds without close-on-exec survive, and none of brood's own", async () => {
  const [before, got, given] = await inNode<[number[], number[], number[]]>(
    `const inheritable = () => {
       const all = fs.readdirSync("/proc/self/fd").map(Number);
       return all.filter((fd) => fd > 2 && fs.existsSync("/proc/self/fd/" + fd) && self.getCloexec(fd) === 0);
     };
     // Before brood has opened anything.
     const before = inheritable();
     ${OPEN}
     // Children with pipes, one that is watched for stops, and one that nobody watches: fds of ours of all kinds.
     const watched = spawn("cat", [], { fds: { 3: "socket" } });
     const wait = watched.wait({ stopped: true, exited: true });
     const child = posix.forkExec(["cat"], ["/bin/cat"], { stdin: "ignore" });
     const pipe = posix.cloexecPipe();
     posix.waitid("P_PIDFD", child.pidfd);
     self.setCloexec(300, 1);
     const got = kept({ closeFds: false });
     const given = kept({ closeFds: false, fdsToKeep: [300], fds: { 301: "close" } });
     watched.stdin.end();
     await wait;
     await watched.closed;
     for (const fd of [...pipe, child.pidfd]) posix.close(fd);
     done([before, got, given]);`,
  );
  const ours = [40, 41, 42, 63, 64, 65, 777];
  const sorted = (fds: number[]): number[] => fds.sort((a, b) => a - b);
  assert.deepEqual(got, sorted([0, 1, 2, 301, ...before, ...ours]));
  assert.deepEqual(given, sorted([0, 1, 2, 300, ...before, ...ours]));
});
