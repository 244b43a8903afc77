import assert from "node:assert/strict";
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readlinkSync } from "node:fs";
import net from "node:net";
import { text } from "node:stream/consumers";
import { childPath } from "../helpers/children.js";
import { closed, importOf, type NodeApi, onEachEngine, outcome } from "../helpers/engines.js";
import { identity, TemporaryFiles } from "../helpers/files.js";
import { inNode } from "../helpers/in-node.js";
import { fdsOf, parseReport, type Report, type ReportedFd, signalsOf } from "../helpers/report.js";

async function reportOf(cp: NodeApi, options: SpawnOptions = {}, fd = 1): Promise<Report> {
  const env = { ...process.env, ...options.env };
  delete env["LD_PRELOAD"];
  const child = cp.spawn(childPath("report"), [String(fd)], { ...options, env });
  const said = text(child.stdio[fd] as NodeJS.ReadableStream);
  assert.deepEqual(await closed(child), { code: 0, signal: null });
  return parseReport(await said);
}

/** Its fds, but for those from 20 up that whoever started us has left open for everybody. */
const few = (report: Report): number[] => fdsOf(report).filter((fd) => fd < 20);

onEachEngine("a child is given what libuv gives it, and nothing else", async ({ cp }) => {
  const report = await reportOf(cp);
  assert.deepEqual(few(report), [0, 1, 2]);
  for (const fd of few(report)) {
    const { kind, access, nonblock } = report.fds[fd] as ReportedFd;
    assert.deepEqual([kind, access, nonblock], ["socket", "rw", false]);
  }
  assert.deepEqual([report.ppid, report.cwd, report.sid === report.pid], [process.pid, process.cwd(), false]);
  assert.deepEqual(signalsOf(report.blocked), []);
  assert.deepEqual(signalsOf(report.ignored), []);
});

onEachEngine("ignored fds are the null device, those of ours are as they are", async ({ cp }) => {
  using files = new TemporaryFiles();
  const [file = -1, other = -1] = files.open(2);
  const report = await reportOf(cp, { stdio: ["ignore", file, "ignore", "pipe", "ignore", other, file] }, 3);
  assert.deepEqual(few(report), [0, 1, 2, 3, 5, 6]);
  assert.deepEqual([report.fds[0]?.link, report.fds[0]?.access, report.fds[2]?.access], ["/dev/null", "r", "rw"]);
  assert.deepEqual(
    [report.fds[1]?.file, report.fds[5]?.file, report.fds[6]?.file],
    [identity(file), identity(other), identity(file)],
  );
  assert.equal(readlinkSync(`/proc/self/fd/${file}`), files.path("open-0"), "they stay ours");
});

onEachEngine("inherited fds and swapped ones are the child's", async ({ cp }) => {
  const report = await reportOf(cp, { stdio: [2, "inherit", 0, "pipe"] }, 3);
  assert.deepEqual(
    [0, 1, 2].map((fd) => report.fds[fd]?.file),
    [2, 1, 0].map(identity),
  );
});

onEachEngine("a pipe beyond fd 2 goes both ways", async ({ cp }) => {
  const child = cp.spawn("sh", ["-c", "read line <&3; echo got $line >&3; cat <&4 >&5"], {
    stdio: ["ignore", "inherit", "inherit", "pipe", "overlapped", "pipe"],
  });
  const [, , , three, four, five] = child.stdio as unknown as [null, null, null, net.Socket, net.Socket, net.Socket];
  assert.deepEqual([child.stdin, child.stdout, child.stderr], [null, null, null]);
  three.write("word\n");
  four.end("through");
  const [said, through] = await Promise.all([text(three), text(five), closed(child)]);
  assert.deepEqual([said, through], ["got word\n", "through"]);
});

onEachEngine("a stream of ours is given on, and is blocking for the child", async ({ cp }) => {
  const source = cp.spawn("sh", ["-c", "read line; echo line"], { stdio: ["pipe", "pipe", "inherit"] });
  const report = childPath("report");
  const sink = cp.spawn(report, ["1"], { stdio: [source.stdout, "pipe", "inherit"], env: {} });
  source.stdin.end("x\n");
  const [said] = await Promise.all([text(sink.stdout), closed(sink), once(source, "exit")]);
  const { fds } = parseReport(said);
  assert.deepEqual([fds[0]?.kind, fds[0]?.nonblock], ["socket", false]);
  source.stdout.destroy();
});

onEachEngine("a chain of children passes its bytes on", async ({ cp }) => {
  const first = cp.spawn("sh", ["-c", "echo one; echo two"], { stdio: ["ignore", "pipe", "inherit"] });
  const second = cp.spawn("cat", { stdio: [first.stdout, "pipe", "inherit"] });
  const [said] = await Promise.all([text(second.stdout), closed(second)]);
  assert.equal(said, "one\ntwo\n");
  first.stdout.destroy();
});

onEachEngine("a server's socket can be a child's stdout", async ({ cp }) => {
  const server = net.createServer().listen(0);
  await once(server, "listening");
  const client = net.connect((server.address() as net.AddressInfo).port);
  const [socket] = (await once(server, "connection")) as [net.Socket];
  const child = cp.spawn("echo", ["hello"], { stdio: ["ignore", socket, "inherit"] });
  await closed(child);
  socket.destroy();
  assert.equal(await text(client), "hello\n");
  server.close();
  await once(server, "close");
});

onEachEngine("large data goes through in both directions", async ({ cp }) => {
  const bytes = Buffer.alloc(5_000_000, "0123456789");
  const child = cp.spawn("cat", { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(bytes);
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  await closed(child);
  assert.ok(Buffer.concat(chunks).equals(bytes));
});

onEachEngine("the environment is the one given, or ours", async ({ cp }) => {
  const print = (options: SpawnOptions): Promise<string> =>
    outcome(cp.spawn("/usr/bin/env", options)).then(({ stdout }) => stdout);
  const odd = { A: "1", UNDEF: undefined, EMPTY: "", U: "ü", NUMBER: 5 as unknown as string };
  assert.equal(await print({ env: odd }), "A=1\nEMPTY=\nU=ü\nNUMBER=5\n");
  process.env["BROOD_TEST_OWN"] = "own";
  assert.match(await print({}), /^BROOD_TEST_OWN=own$/m);
  delete process.env["BROOD_TEST_OWN"];
  assert.doesNotMatch(await print({}), /BROOD_TEST_OWN/);
});

onEachEngine("a name is sought as execvp(3) seeks it", async ({ cp }) => {
  using files = new TemporaryFiles();
  const script = files.write("tool", 'echo "without #!" $0 $1\n', 0o755);
  files.write("other", "#!/bin/sh\necho other\n", 0o755);
  const said = async (file: string, options: SpawnOptions, args: string[] = []): Promise<string> =>
    (await outcome(cp.spawn(file, args, options))).stdout;
  assert.equal(await said(script, {}, ["a"]), `without #! ${script} a\n`);
  assert.equal(await said("tool", { env: { PATH: `/nowhere:${files.directory}` } }, ["b"]), `without #! ${script} b\n`);
  assert.equal(
    await said("other", { env: { PATH: "/nowhere:" }, cwd: files.directory }),
    "other\n",
    "an empty entry is the directory",
  );
  assert.equal(await said("./other", { cwd: files.directory }), "other\n");
  assert.equal(await said("echo", { env: {} }, ["found"]), "found\n", "without a PATH there is a default");
});

onEachEngine("the first script in PATH is taken, though a later file could be executed", async ({ cp }) => {
  using files = new TemporaryFiles();
  files.write("true", "echo first\n", 0o755);
  const { stdout } = await outcome(cp.spawn("true", { env: { PATH: `${files.directory}:/bin` } }));
  assert.equal(stdout, "first\n");
});

onEachEngine("argv0, shells, cwd as URL", async ({ cp }) => {
  using files = new TemporaryFiles();
  const said = async (...call: Parameters<NodeApi["spawn"]>): Promise<string> => (await outcome(cp.spawn(...call))).stdout;
  assert.equal(await said("sh", ["-c", "echo $0"], { argv0: "other" }), "other\n");
  assert.equal(await said("echo a && echo $B", [], { shell: true, env: { B: "b" } }), "a\nb\n");
  assert.equal(await said("echo $0", [], { shell: "/bin/sh" }), "/bin/sh\n");
  assert.equal(await said("pwd", [], { cwd: new URL(`file://${files.directory}/`) }), `${files.directory}\n`);
  assert.equal(await said("printf", ["%s.", "", "a b", "ü"], { windowsHide: true }), ".a b.ü.");
});

onEachEngine("a detached child leads a session", async ({ cp }) => {
  const report = await reportOf(cp, { detached: true });
  assert.deepEqual([report.sid, report.pgid], [report.pid, report.pid]);
});

onEachEngine("uid and gid are changed, and groups of ours are dropped", async ({ cp }) => {
  using files = new TemporaryFiles();
  chmodSync(files.directory, 0o755);
  const both = await reportOf(cp, { uid: 65534, gid: 65533 });
  assert.deepEqual(both.uids, Array(4).fill("65534"));
  assert.deepEqual(both.gids, Array(4).fill("65533"));
  assert.deepEqual(both.groups, []);
  const group = await reportOf(cp, { gid: 1 });
  assert.deepEqual([group.uids[0], group.gids[0], group.groups], ["0", "1", []]);
  assert.throws(() => cp.spawn("true", { uid: -1 }), { code: "EINVAL" });
});

onEachEngine("signals that we ignore are the child's default", async ({ engine }) => {
  const ignored = await inNode<string[]>(
    `${importOf(engine)}
    for (const signal of [1, 2, 13, 15, 25]) self.ignoreSignal(signal, 1);
    self.blockSignals(1);
    const child = cp.spawn(childPath("report"), ["1"], { env: {} });
    let text = "";
    child.stdout.on("data", (data) => { text += data; }).on("end", () => {
      const { ignored, blocked } = parseReport(text);
      done([...ignored, ...blocked]);
    });`,
  );
  assert.deepEqual(
    ignored.map((mask) => BigInt(`0x${mask}`)),
    [0n, 0n],
  );
});

onEachEngine("new ChildProcess() can be told what to spawn", async ({ cp, ours }) => {
  type Low = ChildProcess & { spawn(options: object): number };
  const child = new (cp.ChildProcess as unknown as new () => Low)();
  child.spawn({ file: "/bin/sh", args: ["name", "-c", "echo $0 $A"], envPairs: ["A=1"], stdio: ["ignore", "pipe", "inherit"] });
  assert.equal(child.brood !== undefined, ours);
  assert.equal((await outcome(child)).stdout, "name 1\n");
});
