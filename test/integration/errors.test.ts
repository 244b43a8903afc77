/**
 * A failure of each stage that can be forced: what the error says, and which of two is told. Nothing is left behind,
 * which every test here checks by its wrapper, and those in a process of its own by counting.
 */

import assert from "node:assert/strict";
import { SpawnError, type SpawnOptions } from "brood";
import { TemporaryFiles } from "../helpers/files.js";
import { inNode } from "../helpers/in-node.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

interface Failure {
  stage: string;
  options: SpawnOptions;
  file?: string;
  code: string;
  errno: number;
  path?: string;
  fd?: number;
  message: RegExp;
}

/** In the order of the steps. What root may not do either. */
const FAILURES: Failure[] = [
  {
    stage: "setpgid",
    options: { processGroup: 0x7ffffff0 },
    code: "EPERM",
    errno: 1,
    message: /join the process group 2147483632: operation not permitted/,
  },
  {
    stage: "cpuAffinity",
    options: { cpuAffinity: [8191] },
    code: "EINVAL",
    errno: 22,
    message: /set the CPU affinity 8191: invalid argument/,
  },
  {
    stage: "open",
    options: { stdout: { file: "/nonexistent/out" } },
    code: "ENOENT",
    errno: 2,
    path: "/nonexistent/out",
    message: /no such file "\/nonexistent\/out"/,
  },
  {
    stage: "dup",
    options: { fds: { 2000000000: "ignore" } },
    code: "EBADF",
    errno: 9,
    fd: 2000000000,
    message: /map the child's fd 2000000000: bad file descriptor, it is above the limit on open files \(nofile\)/,
  },
  {
    stage: "controllingTerminal",
    options: { session: true, controllingTerminal: 0, stdin: "ignore" },
    code: "ENOTTY",
    errno: 25,
    fd: 0,
    message: /take the controlling terminal on fd 0/,
  },
  {
    stage: "chroot",
    options: { chroot: "/nonexistent/root" },
    code: "ENOENT",
    errno: 2,
    path: "/nonexistent/root",
    message: /no such directory "\/nonexistent\/root"/,
  },
  {
    stage: "chdir",
    options: { cwd: "/etc/passwd" },
    code: "ENOTDIR",
    errno: 20,
    path: "/etc/passwd",
    message: /change the directory to "\/etc\/passwd": not a directory/,
  },
  {
    stage: "setrlimit",
    options: { rlimits: { nofile: 2 ** 40 } },
    code: "EPERM",
    errno: 1,
    message: /set the limit nofile: operation not permitted/,
  },
  {
    stage: "exec",
    options: {},
    file: "/nonexistent/file",
    code: "ENOENT",
    errno: 2,
    path: "/nonexistent/file",
    message: /no such file "\/nonexistent\/file"/,
  },
];

async function failureOf(file: string, options: SpawnOptions): Promise<SpawnError> {
  try {
    const child = await launch(file, [], options);
    await child[Symbol.asyncDispose]();
  } catch (error) {
    assert.ok(error instanceof SpawnError, String(error));
    return error;
  }
  assert.fail("it was started");
}

for (const { stage, options, file = "/bin/true", code, errno, path, fd, message } of FAILURES) {
  test(`PITFALL 7: a failure at ${stage} says so, and leaves nothing`, async () => {
    const error = await failureOf(file, options);
    assert.deepEqual(
      { stage: error.stage, code: error.code, errno: error.errno, path: error.path, fd: error.fd, file: error.file },
      { stage, code, errno, path, fd, file },
    );
    assert.match(error.message, message);
    assert.ok(error.message.startsWith(`cannot spawn ${JSON.stringify(file)}: `), error.message);
    assert.ok(error.message.endsWith(` (${code} at ${stage})`), error.message);
  });
}

test("of two bad stages the earlier in the order is told", async () => {
  let pairs = 0;
  for (const [i, first] of FAILURES.entries()) {
    for (const second of FAILURES.slice(i + 1)) {
      // A session's leader can't also join a group.
      if (first.stage === "setpgid" && second.stage === "controllingTerminal") continue;
      const error = await failureOf(second.file ?? "/bin/true", { ...second.options, ...first.options });
      assert.equal(error.stage, first.stage, `${first.stage} with ${second.stage}`);
      pairs++;
    }
  }
  assert.equal(pairs, 35);
});

test("an ordinary user's failures: each by itself, and the earlier of each two", async () => {
  using files = new TemporaryFiles();
  const secret = files.write("secret", "", 0o600);
  const failures: [stage: string, code: string, options: SpawnOptions][] = [
    ["oomScoreAdj", "EACCES", { oomScoreAdj: -1000 }],
    ["nice", "EACCES", { nice: -20 }],
    ["open", "EACCES", { stdin: { file: secret } }],
    ["chroot", "EPERM", { chroot: "/" }],
    ["chdir", "EACCES", { cwd: files.directory }],
    ["setrlimit", "EPERM", { rlimits: { nofile: "unlimited" } }],
    ["setgroups", "EPERM", { groups: [0] }],
    ["setgid", "EPERM", { gid: 0 }],
    ["exec", "EACCES", {}],
  ];
  const result = await inNode<{ alone: string[][]; pairs: [number, number, string][]; leaked: number; children: string }>(
    `const failures = JSON.parse(process.env.FAILURES);
    await (await launch("true")).closed;
    await fs.promises.stat("/");
    process.setgroups([]);
    process.setgid(65534);
    process.setuid(65534);
    // Dropping root made /proc/self root's, which holdings() must read.
    self.setDumpable(1);
    const holdings = () => fs.readdirSync("/proc/self/fd").length;
    const fail = async (options) => {
      try { await launch("/etc/passwd", [], options); } catch (error) { return error; }
    };
    const before = holdings();
    const alone = [], pairs = [];
    for (const [stage, code, options] of failures) {
      const { stage: got, code: gotCode, path } = await fail(options);
      alone.push([got, gotCode]);
    }
    for (let i = 0; i < failures.length; i++) {
      for (let k = i + 1; k < failures.length; k++) {
        const { stage } = await fail({ ...failures[k][2], ...failures[i][2] });
        pairs.push([i, k, stage]);
      }
    }
    const name = (pid) => fs.readFileSync("/proc/" + pid + "/comm", "utf8");
    const children = fs.readFileSync("/proc/self/task/" + process.pid + "/children", "utf8")
      .split(" ").filter((pid) => pid !== "" && name(pid) !== "brood-host\\n").join(" ");
    done({ alone, pairs, leaked: holdings() - before, children });`,
    { env: { FAILURES: JSON.stringify(failures) } },
  );
  assert.deepEqual(
    result.alone,
    failures.map(([stage, code]) => [stage, code]),
  );
  assert.equal(result.pairs.length, 36);
  for (const [i, k, stage] of result.pairs) assert.equal(stage, failures[i]?.[0], `with ${failures[k]?.[0]}`);
  assert.deepEqual([result.leaked, result.children], [0, ""]);
});

test("a root that may change groups but not users fails at setuid", async () => {
  const error = await inNode<unknown>(
    `try { await launch("/bin/true", [], { uid: 1 }); }
    catch (error) { done([error.code, error.stage, error.message]); }`,
    { wrapper: ["setpriv", "--bounding-set=-setuid", "--inh-caps=-setuid"] },
  );
  const message = 'cannot spawn "/bin/true": cannot set the user id to 1: operation not permitted (EPERM at setuid)';
  assert.deepEqual(error, ["EPERM", "setuid", message]);
});

test("arguments and environment that are too large are E2BIG at exec", async () => {
  const large = "x".repeat(200_000);
  const many = Array.from({ length: 60 }, () => "x".repeat(100_000));
  for (const [args, options] of [
    [[large], {}],
    [[], { env: { LARGE: large } }],
    [many, {}],
  ] as const) {
    await assert.rejects(launch("/bin/true", args, options), {
      name: "SpawnError",
      code: "E2BIG",
      errno: 7,
      stage: "exec",
      file: "/bin/true",
    });
  }
});

test("cwd as an fd that is no directory, or not open", async () => {
  using files = new TemporaryFiles();
  const [fd] = files.open(1) as [number];
  const error = await failureOf("/bin/true", { cwd: fd });
  assert.deepEqual([error.stage, error.code, error.fd], ["chdir", "ENOTDIR", fd]);
  await assert.rejects(launch("/bin/true", [], { cwd: 999 }), { code: "ERR_INVALID_ARG_VALUE" });
});

test("failures one after the other, by the hundred, leave nothing", async () => {
  for (let i = 0; i < 200; i++) {
    const { options, file = "/bin/true", stage } = FAILURES[i % FAILURES.length] as Failure;
    assert.equal((await failureOf(file, { ...options })).stage, stage);
  }
});
