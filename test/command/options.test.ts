/**
 * `brood run`: each flag has its effect on a real command.
 */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "brood";
import { BROOD, brood } from "../helpers/command.js";
import { test } from "../helpers/test.js";

const status = (field: string): string[] => ["grep", `^${field}:`, "/proc/self/status"];

const EFFECTS: [flags: string[], command: string[], stdout: string | RegExp][] = [
  [["--cwd", "/usr"], ["pwd"], "/usr\n"],
  [["--env", "A=1", "--env", "B=x=y"], ["sh", "-c", "echo $A $B"], "1 x=y\n"],
  [["--unset-env", "HOME"], ["sh", "-c", "echo home: $HOME"], "home:\n"],
  [["--clear-env", "--env", "A=1"], ["/usr/bin/env"], "A=1\n"],
  [["--path", "/bin"], ["sh", "-c", "echo found"], "found\n"],
  [["--argv0", "other"], ["sh", "-c", "echo $0; cat /proc/$$/cmdline | head -c5"], /other/],
  [["--stdin", "/etc/passwd"], ["head", "-c", "4"], "root"],
  [["--stdin", "ignore"], ["cat"], ""],
  [["--stdout", "ignore"], ["echo", "x"], ""],
  [["--stderr", "stdout"], ["sh", "-c", "echo err >&2"], "err\n"],
  [["--umask", "027"], ["sh", "-c", "umask"], "0027\n"],
  [["--nice", "5"], ["nice"], "5\n"],
  [["--nice=7"], ["nice"], "7\n"],
  [
    ["--limit", "nofile=64", "--limit", "core=0:unlimited"],
    ["sh", "-c", "ulimit -n; ulimit -Sc; ulimit -Hc"],
    "64\n0\nunlimited\n",
  ],
  [
    ["--limit", "fsize=9223372036854775807"],
    ["grep", "^Max file size", "/proc/self/limits"],
    /^Max file size +9223372036854775807 +9223372036854775807 /,
  ],
  [["--cpu-affinity", "0"], status("Cpus_allowed_list"), "Cpus_allowed_list:\t0\n"],
  [["--oom-score-adj", "500"], ["cat", "/proc/self/oom_score_adj"], "500\n"],
  [["--no-new-privs"], status("NoNewPrivs"), "NoNewPrivs:\t1\n"],
  [["--session"], ["sh", "-c", "set -- $(cat /proc/$$/stat); [ $1 = $6 ] && echo leader"], "leader\n"],
  [["--process-group", "new"], ["sh", "-c", "set -- $(cat /proc/$$/stat); [ $1 = $5 ] && echo leader"], "leader\n"],
  [["--ignore-signal", "hup"], status("SigIgn"), "SigIgn:\t0000000000000001\n"],
  [["--block-signal", "SIGINT"], status("SigBlk"), "SigBlk:\t0000000000000002\n"],
  [["--restore-signals", "none"], status("SigIgn"), "SigIgn:\t0000000001001000\n"],
  [["--uid", "65534", "--gid", "65534", "--groups", ""], ["id", "-u"], "65534\n"],
  [["--user", "nobody"], ["id", "-un"], "nobody\n"],
];

for (const [flags, command, stdout] of EFFECTS) {
  test(`brood run ${flags.join(" ")}`, async () => {
    const result = await brood(["run", ...flags, "--", ...command]);
    assert.equal(result.status, 0, result.stderr);
    if (typeof stdout === "string") assert.equal(result.stdout, stdout);
    else assert.match(result.stdout, stdout);
  });
}

test("what Node changes before brood begins: ignored signals, the soft limit on open files, standard fds that are closed", async () => {
  const show = 'trap "" HUP INT; ulimit -Sn 64; exec "$@" <&-';
  const words = [
    "-c",
    show,
    "sh",
    process.execPath,
    BROOD,
    "run",
    "--",
    "sh",
    "-c",
    "grep SigIgn /proc/self/status; ulimit -n; readlink /proc/self/fd/0",
  ];
  const [signals, nofile, stdin] = (await run("sh", words)).stdout.trim().split("\n");
  const hard = (await run("sh", ["-c", "ulimit -Hn"])).stdout.trim();
  assert.deepEqual([signals, nofile, stdin], ["SigIgn:\t0000000000000000", hard, "/dev/null"]);
});

test("output to files: truncated, and appended", async () => {
  const folder = mkdtempSync(join(tmpdir(), "brood-"));
  try {
    const file = join(folder, "out");
    for (const word of ["one", "two"]) assert.equal((await brood(["run", "--stdout", file, "echo", word])).status, 0);
    assert.equal(readFileSync(file, "utf8"), "two\n");
    await brood(["run", "--stdout", `append:${file}`, "echo", "three"]);
    assert.equal(readFileSync(file, "utf8"), "two\nthree\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("--idle-timeout: output passes through brood, and its silence ends the command", async () => {
  const words = ["run", "--idle-timeout", "300ms", "--report=json", "--", "sh", "-c", "echo out; echo err >&2; read never"];
  const result = await brood(words, undefined, "open");
  assert.equal(result.status, 124);
  assert.equal(result.stdout, "out\n");
  const [error, report] = result.stderr.trim().split("\n");
  assert.equal(error, "err");
  assert.equal(JSON.parse(report ?? "").reason, "idle");
});

test("--idle-timeout does not end a command that ends in time, and its output is whole", async () => {
  const result = await brood(["run", "--idle-timeout", "20s", "--", "seq", "20000"]);
  assert.equal(result.status, 0);
  assert.equal(result.stdout.split("\n").length, 20001);
});

test("--drain says how long a silent background process that holds the output is waited for", async () => {
  const script = 'sleep 60 & echo "$!"';
  const result = await brood(["run", "--idle-timeout", "20s", "--drain", "100ms", "--", "sh", "-c", script]);
  assert.equal(result.status, 0);
  process.kill(Number(result.stdout), "SIGKILL");
});

test("standard streams are passed through", async () => {
  const result = await brood(["run", "--", "sh", "-c", "cat; echo err >&2"], "input");
  assert.equal(result.stdout, "input");
  assert.equal(result.stderr, "err\n");
});
