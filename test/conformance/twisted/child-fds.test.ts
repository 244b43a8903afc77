/**
 * What the child has and is: rows T1, T10, T11, T13 and T15 of docs/parity.md.
 */

import assert from "node:assert/strict";
import { chmodSync, closeSync, copyFileSync, fstatSync, openSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { type ChildFD, type ProtocolOptions, spawnProcess } from "brood/protocol";
import { act } from "../../helpers/act.js";
import { childPath } from "../../helpers/children.js";
import { identity, TemporaryFiles } from "../../helpers/files.js";
import { inNode } from "../../helpers/in-node.js";
import { reportBy } from "../../helpers/protocol-report.js";
import { Recorder } from "../../helpers/recorder.js";
import { fdsOf, type Report, signalsOf } from "../../helpers/report.js";
import { self } from "../../helpers/self.js";
import { test } from "../../helpers/test.js";

const { SIGHUP, SIGPIPE, SIGUSR1, SIGXFSZ } = constants.signals;
type Fds = { [fd: number]: ChildFD };

test("T1: by default we write fd 0 and read 1 and 2; a map says the same in its own words", async () => {
  for (const options of [{}, { childFDs: { 0: "w", 1: "r", 2: "r" } }] as const) {
    const report = await reportBy(options);
    assert.deepEqual(fdsOf(report), [0, 1, 2]);
    assert.deepEqual(
      [0, 1, 2].map((fd) => `${report.fds[fd]?.kind} ${report.fds[fd]?.access}`),
      ["pipe r", "pipe w", "pipe w"],
    );
  }
});

test("T1: { 1: 'r', 2: 1 } sends 2 to the parent's stdout, not to the child's", async () => {
  const report = await reportBy({ childFDs: { 1: "r", 2: 1 } });
  const ours = fstatSync(1, { bigint: true });
  assert.equal(report.fds[2]?.file, `${ours.dev}:${ours.ino}`);
  assert.notEqual(report.fds[2]?.file, report.fds[1]?.file);
});

test("T1: '> file' is an fd of that file", async () => {
  using files = new TemporaryFiles();
  const fd = openSync(files.path("out"), "w");
  const recorder = new Recorder();
  spawnProcess(recorder, act, ["say", "1", "to the file"], { childFDs: { 0: "w", 1: fd, 2: "r" } });
  await recorder.ended;
  closeSync(fd);
  assert.equal(readFileSync(files.path("out"), "utf8"), "to the file\n");
  assert.deepEqual(
    recorder.log.filter((entry) => entry.endsWith("1")),
    [],
  );
});

test("T1: one source for many targets, and fds that change places", async () => {
  using files = new TemporaryFiles();
  const [a, b] = files.open(2) as [number, number];
  const many = await reportBy({ childFDs: { 1: "r", 5: a, 6: a, 7: a } });
  assert.deepEqual(
    [5, 6, 7].map((fd) => many.fds[fd]?.file),
    Array(3).fill(identity(a)),
  );
  const swapped = await reportBy({ childFDs: { 1: "r", [a]: b, [b]: a } });
  assert.deepEqual([swapped.fds[a]?.file, swapped.fds[b]?.file], [identity(b), identity(a)]);
  const same = await reportBy({ childFDs: { 1: "r", [a]: a } });
  assert.equal(same.fds[a]?.file, identity(a));
  // A rotation through the standard fds: the parent's 2 in place of 0, and files in place of 2.
  const rotated = await reportBy({ childFDs: { 0: 2, 1: "r", 2: a, 3: 0 } });
  assert.deepEqual([rotated.fds[2]?.file, rotated.fds[0]?.file], [identity(a), identity(2)]);
});

test("T1: 'rw' goes both ways", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, "sh", ["-c", "cat <&4 >&4"], { childFDs: { 4: "rw" } });
  transport.writeToChild(4, "there and back");
  await recorder.noted("data 4");
  // The child reads the end of file while we still read.
  transport.getPipeTransport(4)?.writeEof();
  await recorder.ended;
  assert.equal(recorder.text(4), "there and back");
  assert.equal(recorder.errors.get(4), undefined);
  assert.equal(recorder.log.filter((entry) => entry === "lost 4").length, 1);
});

test("T1: a child that closes such an fd while it lives loses it for us, too", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["say", "4", "bye", "close", "4", "pause"], { childFDs: { 4: "rw" } });
  await recorder.noted("lost 4");
  assert.deepEqual(recorder.log, ["made", "data 4", "lost 4"]);
  transport.kill();
  await recorder.ended;
});

test("T1: any fd can be a pipe of either kind: the six of Twisted's own test, with one handshake on each", async () => {
  // Reads 4 bytes from 0, answers on 1; reads 4 from 3, closes 4; waits for the end of 5, answers on 1.
  const script = "head -c4 >/dev/null; printf righto; head -c4 <&3 >/dev/null; exec 4>&-; cat <&5 >/dev/null; printf closed";
  const steps: string[] = [];
  const recorder = new Recorder({
    connectionMade: (transport) => void transport.writeToChild(0, "abcd"),
    childDataReceived: (fd, data) => {
      steps.push(`${fd} ${data}`);
      if (recorder.text() === "righto") recorder.transport?.writeToChild(3, "efgh");
    },
    childConnectionLost: (fd) => {
      steps.push(`lost ${fd}`);
      if (fd === 4) recorder.transport?.closeChildFD(5);
    },
  });
  const transport = spawnProcess(recorder, "sh", ["-c", script], { childFDs: { 0: "w", 1: "r", 2: 2, 3: "w", 4: "r", 5: "w" } });
  await recorder.ended;
  assert.equal(recorder.text(), "rightoclosed");
  const order = ["1 righto", "lost 4", "1 closed"].map((step) => steps.indexOf(step));
  assert.deepEqual(
    order.toSorted((a, b) => a - b),
    order,
  );
  assert.ok(!order.includes(-1), steps.join());
  assert.equal(transport.getReturnCode(), 0);
});

test("T1: what is wrong in a map is refused before anything exists", () => {
  for (const [childFDs, code] of [
    [{ 1: "x" }, "ERR_INVALID_ARG_VALUE"],
    [{ 1: null }, "ERR_INVALID_ARG_VALUE"],
    [{ 1: -1 }, "ERR_OUT_OF_RANGE"],
    [{ 1: 1.5 }, "ERR_OUT_OF_RANGE"],
    [{ 1: 54_321 }, "EBADF"],
    [{ "-1": "r" }, "ERR_OUT_OF_RANGE"],
    [{ one: "r" }, "ERR_OUT_OF_RANGE"],
    [null, "ERR_INVALID_ARG_TYPE"],
    ["r", "ERR_INVALID_ARG_TYPE"],
  ] as const) {
    assert.throws(() => spawnProcess(new Recorder(), "true", [], { childFDs } as never), { code }, JSON.stringify(childFDs));
  }
  assert.throws(() => spawnProcess(new Recorder(), "true", [], { childFDs: { 1: 54_321 } }), {
    name: "SpawnError",
    fd: 54_321,
    message: 'cannot spawn "true": options.childFDs[1] names fd 54321, which is not open (EBADF at dup)',
  });
  for (const other of ["stdin", "stdout", "stderr", "stdio"] as const) {
    const options = { childFDs: { 1: "r" }, [other]: "ignore" } as ProtocolOptions;
    assert.throws(() => spawnProcess(new Recorder(), "true", [], options), { code: "ERR_OPTION_CONFLICT" });
  }
});

/** A report from a place where every user can execute it. */
async function reportAs(options: ProtocolOptions): Promise<Report> {
  using files = new TemporaryFiles();
  chmodSync(files.directory, 0o755);
  copyFileSync(childPath("report"), files.path("report"));
  chmodSync(files.path("report"), 0o755);
  return reportBy(options, 1, files.path("report"));
}

const ids = ({ uids, gids, groups }: Report): string[][] => [[...new Set(uids)], [...new Set(gids)], groups.toSorted()];

test("T10: a uid alone takes its account's gid and groups; what is given wins; without an account a gid is needed", async () => {
  assert.deepEqual(ids(await reportAs({ uid: 1 })), [["1"], ["1"], ["1"]]);
  assert.deepEqual(ids(await reportAs({ uid: 1, gid: 77 })), [["1"], ["77"], ["1"]]);
  assert.deepEqual(ids(await reportAs({ uid: 1, groups: [8, 9] })), [["1"], ["1"], ["8", "9"]]);
  assert.deepEqual(ids(await reportAs({ uid: 54_321, gid: 54_321 })), [["54321"], ["54321"], []]);
  assert.throws(() => spawnProcess(new Recorder(), "true", [], { uid: 54_321 }), {
    code: "ERR_INVALID_ARG_VALUE",
    message: /gid/,
  });
  assert.deepEqual(ids(await reportAs({ gid: 77 })).slice(0, 2), [[String(process.getuid?.())], ["77"]]);
});

const ID_OF_DAEMON = `
  import { spawnProcess } from ${JSON.stringify(import.meta.resolve("brood/protocol"))};
  import { Recorder } from ${JSON.stringify(import.meta.resolve("../../helpers/recorder.js"))};
  async function ids(options) {
    const recorder = new Recorder();
    // No shell: one sets its effective uid to the real one.
    spawnProcess(recorder, "grep", ["-E", "^(Uid|Gid|Groups):", "/proc/self/status"], options);
    await recorder.ended;
    return recorder.text().replace(/\\s+/g, " ").trim() + recorder.text(2);
  }
`;
const DAEMON = "Uid: 1 1 1 1 Gid: 1 1 1 1 Groups: 1";

test("T10: it works when only the real uid is 0, and leaves the effective one as it was", async () => {
  const [daemon, group, after] = await inNode<[string, string, number[]]>(`${ID_OF_DAEMON}
    await ids({});
    process.seteuid(65534);
    const daemon = await ids({ uid: 1 });
    const group = await ids({ gid: 7 });
    done([daemon, group, [process.getuid(), process.geteuid()]]);
  `);
  assert.equal(daemon, DAEMON);
  assert.match(group, /^Uid: 0 65534 65534 65534 Gid: 7 7 7 7 /);
  assert.deepEqual(after, [0, 65_534]);
});

// Written for a process that has the privilege by other means than its real uid.
const WITHOUT_REAL_ROOT = [
  { name: "when only the effective uid is 0", words: ["--ruid=65534", "--clear-groups"] },
  {
    name: "with capabilities and no uid of 0",
    words: ["--reuid=65534", "--clear-groups", "--ambient-caps=+setuid,+setgid", "--inh-caps=+setuid,+setgid"],
  },
];
for (const { name, words } of WITHOUT_REAL_ROOT) {
  test(`T10: it works ${name}`, async () => {
    const daemon = await inNode<string>(`${ID_OF_DAEMON} done(await ids({ uid: 1 }));`, { wrapper: ["setpriv", ...words] });
    assert.equal(daemon, DAEMON);
  });
}

test("T11: ignored signals become default with 'all', stay so with false; by default only the runtime's own are restored", async () => {
  for (const signal of [SIGHUP, SIGUSR1]) assert.equal(self.ignoreSignal(signal, 1), 0);
  try {
    const ignored = async (options: ProtocolOptions): Promise<number[]> => signalsOf((await reportBy(options)).ignored);
    assert.deepEqual(await ignored({ restoreSignals: "all" }), []);
    assert.deepEqual(await ignored({ restoreSignals: false }), [SIGHUP, SIGUSR1, SIGPIPE, SIGXFSZ]);
    assert.deepEqual(await ignored({}), [SIGHUP, SIGUSR1]);
    // And so the signal ends the child that we ignore ourselves.
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, act, ["say", "1", "up", "pause"], { restoreSignals: "all" });
    await recorder.said("up");
    transport.signalProcess(SIGUSR1);
    await recorder.ended;
    assert.equal(transport.getReturnCode(), -SIGUSR1);
  } finally {
    for (const signal of [SIGHUP, SIGUSR1]) self.ignoreSignal(signal, 0);
  }
});

test("T13: the protocol may be null, where there is no pipe; else it is refused", async () => {
  for (const options of [{ childFDs: {} }, { stdio: "ignore" }, { childFDs: { 1: 1 } }] as ProtocolOptions[]) {
    const transport = spawnProcess(null, act, ["exit", "3"], options);
    assert.equal(transport.getProtocol(), null);
    const state = await transport.wait();
    assert.equal(state.kind === "exited" && state.code, 3);
  }
  const kinds: Fds[] = [{ 1: "r" }, { 0: "w" }, { 5: "rw" }];
  for (const options of [{}, { stdin: "ignore" }, ...kinds.map((childFDs) => ({ childFDs }))] as ProtocolOptions[]) {
    assert.throws(() => spawnProcess(null, "true", [], options), { name: "TypeError", code: "ERR_OPTION_CONFLICT" });
  }
});

test("T13: text for stdin needs nobody to be told", async () => {
  using files = new TemporaryFiles();
  const transport = spawnProcess(null, "cat", [], { stdin: "some text.", stdout: { file: files.path("out") }, stderr: "ignore" });
  await transport.wait();
  assert.equal(readFileSync(files.path("out"), "utf8"), "some text.");
});

test("T15: a map that leaves 0 to 2 out closes them; 'ignore' gives the null device", async () => {
  assert.deepEqual(fdsOf(await reportBy({ childFDs: { 4: "r" } }, 4)), [4]);
  assert.deepEqual(fdsOf(await reportBy({ childFDs: { 1: "r" } })), [1]);
  const ignored = await reportBy({ stdin: "ignore", stderr: "ignore" });
  assert.deepEqual([ignored.fds[0]?.link, ignored.fds[2]?.link], ["/dev/null", "/dev/null"]);
});

test("T18: nothing of ours is open in the child besides what is mapped, whatever its number", async () => {
  const high = self.duplicate(2, 900);
  try {
    assert.deepEqual(fdsOf(await reportBy()), [0, 1, 2]);
  } finally {
    closeSync(high);
  }
});
