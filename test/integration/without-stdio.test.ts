/**
 * A parent whose own fds 0, 1 or 2 are closed: whatever is opened then gets their numbers, brood's own pipes,
 * sockets and files among them.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { TemporaryFiles } from "../helpers/files.js";
import { runNode } from "../helpers/node.js";
import type { Report, ReportedFd } from "../helpers/report.js";
import { test } from "../helpers/test.js";

const REPORT = JSON.stringify(import.meta.resolve("../helpers/report.js"));

/** Starts children of many kinds, and writes what became of them to a file: there is no other way out. */
const SCRIPT = `
  import fs from "node:fs";
  import { reportOf } from ${REPORT};
  const [missing, output, input] = JSON.parse(process.env.ARGUMENTS);
  // All that is created once, on first use, is created now.
  await reportOf();
  const holdings = () => fs.readdirSync("/proc/self/fd").length;
  for (const fd of missing) fs.closeSync(fd);
  const before = holdings();
  const result = { inherit: {} };
  try {
    for (const fd of missing) {
      const stdio = ["ignore", "ignore", "ignore"];
      stdio[fd] = "inherit";
      try { spawn("true", { stdio }); result.inherit[fd] = "started"; }
      catch (error) { result.inherit[fd] = [error.code, error.stage, error.fd]; }
    }
    result.pipes = await reportOf();
    result.ignored = await reportOf({ stdio: ["ignore", "ignore", "ignore", , , { pipe: "r" }] }, { fd: 5 });
    const files = { stdin: { file: input }, stdout: { dup: 0 }, stderr: { file: input, mode: "r" }, fds: { 5: { pipe: "r" } } };
    result.files = await reportOf(files, { fd: 5 });
    const closed = { stdin: "pipe", stdout: "pipe", stderr: "pipe", fds: { 5: { pipe: "r" } } };
    for (const fd of missing) closed[["stdin", "stdout", "stderr"][fd]] = "close";
    result.closed = await reportOf(closed, { fd: 5 });
    const directory = fs.openSync("/usr/bin", fs.constants.O_RDONLY);
    result.directory = directory;
    result.inDirectory = await reportOf({ ...closed, cwd: directory }, { fd: 5 });
    fs.closeSync(directory);
    result.allClosed = await spawn("sh", ["-c", "exit 7"], { stdio: "close" }).exited;
    const { stdout } = await run("cat", { input: "through" });
    result.cat = stdout;
    try { spawn("/nonexistent"); } catch (error) { result.failure = [error.code, error.stage]; }
  } catch (error) { result.error = String(error.stack); }
  result.leaked = holdings() - before;
  fs.writeFileSync(output, JSON.stringify(result));
`;

interface Result {
  inherit: Record<string, unknown>;
  pipes: Report;
  ignored: Report;
  files: Report;
  closed: Report;
  directory: number;
  inDirectory: Report;
  allClosed: { code: number };
  cat: string;
  failure: [string, string];
  error?: string;
  leaked: number;
}

function describe(report: Report, fds: number[]): string[] {
  return fds.map((fd) => {
    const { kind, access, cloexec } = report.fds[fd] ?? ({ kind: "closed" } as unknown as ReportedFd);
    return kind === ("closed" as string) ? "closed" : `${kind} ${access}${cloexec ? " close-on-exec" : ""}`;
  });
}

for (const missing of [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]]) {
  test(`PITFALL 6: children of a parent without fd ${missing.join(", ")}`, async () => {
    using files = new TemporaryFiles();
    const output = files.path("result");
    const input = files.write("input", "");
    const { code, stderr } = await runNode(SCRIPT, { env: { ARGUMENTS: JSON.stringify([missing, output, input]) } });
    assert.deepEqual([code, stderr], [0, ""]);
    const result = JSON.parse(readFileSync(output, "utf8")) as Result;
    assert.equal(result.error, undefined);
    for (const fd of missing) assert.deepEqual(result.inherit[fd], ["EBADF", "dup", fd]);
    assert.deepEqual(describe(result.pipes, [0, 1, 2]), ["pipe r", "pipe w", "pipe w"]);
    assert.deepEqual(Object.keys(result.pipes.fds), ["0", "1", "2"]);
    assert.deepEqual(describe(result.ignored, [0, 1, 2]), ["device rw", "device rw", "device rw"]);
    assert.deepEqual(describe(result.files, [0, 1, 2]), ["file r", "file r", "file r"]);
    for (const report of [result.ignored, result.files]) assert.deepEqual(Object.keys(report.fds), ["0", "1", "2", "5"]);
    const kinds = ["pipe r", "pipe w", "pipe w"].map((kind, fd) => (missing.includes(fd) ? "closed" : kind));
    assert.deepEqual(describe(result.closed, [0, 1, 2, 5]), [...kinds, "pipe w"]);
    assert.deepEqual(describe(result.inDirectory, [0, 1, 2, 5]), [...kinds, "pipe w"]);
    assert.equal(result.inDirectory.cwd, "/usr/bin");
    assert.ok(missing.includes(result.directory), "the directory took the number of a closed fd");
    assert.equal(result.allClosed.code, 7);
    assert.equal(result.cat, "through");
    assert.deepEqual(result.failure, ["ENOENT", "exec"]);
    assert.equal(result.leaked, 0);
  });
}
