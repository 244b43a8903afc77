/**
 * `brood run`: exit statuses, messages of wrong command lines.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync } from "node:fs";
import { run } from "brood";
import { cloexecPipe, close } from "brood/posix";
import { FLAGS, TOPICS } from "#dist/cli/flags.js";
import { BROOD, brood, startBrood } from "../helpers/command.js";
import { TemporaryFiles } from "../helpers/files.js";
import { test } from "../helpers/test.js";

const STATUSES: [title: string, words: string[], status: number, stderr: RegExp][] = [
  ["the command's own", ["run", "--", "sh", "-c", "exit 7"], 7, /^$/],
  ["0", ["run", "true"], 0, /^$/],
  ["128+n for a signal", ["run", "--", "sh", "-c", "kill -KILL $$"], 137, /^$/],
  ["128+n for a signal without a name", ["run", "--", "sh", "-c", "kill -33 $$"], 161, /^$/],
  ["124 after --timeout", ["run", "--timeout", "100ms", "--", "sleep", "60"], 124, /^$/],
  ["127 not found", ["run", "--", "no-such-command"], 127, /cannot spawn "no-such-command": not found in \d+ directories/],
  ["127 not found at a path", ["run", "--", "/no/such/file"], 127, /no such file "\/no\/such\/file" \(ENOENT at exec\)/],
  [
    "126 not executable",
    ["run", "--", "/etc/passwd"],
    126,
    /permission denied, nobody may execute it \(chmod \+x\) \(EACCES at exec\)/,
  ],
  [
    "125 a directory that is not there",
    ["run", "--cwd", "/nope", "--", "ls"],
    125,
    /no such directory "\/nope" \(ENOENT at chdir\)/,
  ],
  ["125 no command", ["run", "--nice", "5"], 125, /needs a command/],
  [
    "125 an unknown flag, with a suggestion",
    ["run", "--tiemout", "5", "--", "ls"],
    125,
    /unknown flag --tiemout, did you mean --timeout\?/,
  ],
  ["125 a flag without its value", ["run", "--cwd"], 125, /--cwd needs a value: --cwd DIR/],
  ["125 a value for a flag that takes none", ["run", "--session=yes", "ls"], 125, /--session takes no value/],
  ["125 a value that is no time", ["run", "--timeout", "soon", "ls"], 125, /--timeout takes a time such as/],
  [
    "125 a value out of range, in the words of flags",
    ["run", "--nice", "99", "ls"],
    125,
    /--nice must be an integer from -20 to 19/,
  ],
  ["125 a file without a name", ["run", "--stdout", "", "ls"], 125, /brood: --stdout must not be empty/],
  [
    "125 a limit above the hard one",
    ["run", "--limit", "nofile=9:5", "ls"],
    125,
    /brood: --limit must be at most the hard limit/,
  ],
  ["125 an unknown limit, in the words of flags", ["run", "--limit", "foo=1", "ls"], 125, /--limit has no such limit/],
  [
    "125 an fd that is not open, in the words of flags",
    ["run", "--pass-fd", "99", "ls"],
    125,
    /--pass-fd names fd 99, which is not open/,
  ],
  [
    "125 an fd that is Node's own",
    ["run", "--pass-fd", "3", "ls"],
    125,
    /--pass-fd names fd 3, which brood was not started with: it is one of Node's own \(anon_inode:\[eventpoll\]\)/,
  ],
  ["125 an unknown signal", ["run", "--kill-signal", "FOO", "ls"], 125, /--kill-signal must be a signal of this system/],
  ["125 an unknown means", ["run", "--contain=x", "ls"], 125, /--contain takes auto, cgroup, keeper, namespace, group, not "x"/],
  ["125 an unknown word", ["run", "--restore-signals", "x", "ls"], 125, /--restore-signals takes runtime, all, none, not "x"/],
  ["125 an unknown report", ["run", "--report=xml", "ls"], 125, /--report takes text or json/],
  ["125 an unknown command, with a suggestion", ["rnu"], 125, /unknown command rnu, did you mean run\?/],
  ["125 no words at all", [], 125, /Usage: brood run/],
];

for (const [title, words, status, stderr] of STATUSES) {
  test(`exit status: ${title}`, async () => {
    const result = await brood(words);
    assert.equal(result.status, status, result.stderr);
    assert.match(result.stderr, stderr);
    assert.equal(result.stdout, "");
  });
}

test("--pass-fd passes what brood was started with, also two fds of one end of a pipe; none of the pipes of Node's own", async () => {
  const script = `echo hi | "$@" --pass-fd 3 --pass-fd 4 -- sh -c 'cat <&3; readlink /proc/self/fd/4' 3<&0 4<&0 </dev/null`;
  const { stdout } = await run("sh", ["-c", script, "sh", process.execPath, BROOD, "run"]);
  assert.match(stdout, /^hi\npipe:\[\d+\]\n$/);
  // A pipe of which Node has both ends, or an io_uring.
  const { status, stderr } = await brood(["run", "--pass-fd", "4", "true"]);
  assert.equal(status, 125);
  assert.match(stderr, /it is one of Node's own/);
});

test("exit status: 127 an interpreter that is not there", async () => {
  using files = new TemporaryFiles();
  const script = files.write("script", "#!/nonexistent/interpreter\n", 0o755);
  const result = await brood(["run", "--", script]);
  assert.equal(result.status, 127);
  assert.match(result.stderr, /exists, but the interpreter or loader that it names does not/);
});

test("--version, and the page that brood --help shows", async () => {
  assert.match((await brood(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.match((await brood(["--help"])).stdout, /brood run \[options\]/);
});

test("brood run --help is pages that fit a screen, by topic; each flag is on one of them", async () => {
  const first = await brood(["run", "--help"]);
  assert.equal(first.status, 0);
  const pages = [first.stdout];
  const topics = Object.keys(TOPICS);
  for (const topic of topics) {
    assert.match(first.stdout, new RegExp(`^  ${topic} `, "m"));
    const { status, stdout } = await brood(["run", "--help", topic]);
    assert.equal(status, 0);
    assert.equal((await brood(["run", `--help=${topic}`])).stdout, stdout);
    assert.equal((await brood(["help", "run", topic])).stdout, stdout);
    pages.push(stdout);
  }
  for (const page of pages) {
    const lines = page.split("\n");
    assert.ok(lines.length <= 25, `${lines.length} lines`);
    for (const line of lines) assert.ok(line.length <= 80, line);
  }
  const all = (await brood(["run", "--help", "all"])).stdout;
  for (const { name } of FLAGS) {
    const heading = new RegExp(`^  --${name}\\b(?!-)`, "m");
    assert.equal(pages.slice(1).filter((page) => heading.test(page)).length, 1, name);
    assert.match(all, heading);
  }
});

test("help about what is no topic is refused, with the topics or a suggestion", async () => {
  const wrong = await brood(["run", "--help", "weather"]);
  assert.equal(wrong.status, 125);
  assert.match(wrong.stderr, /no help about weather, the topics are start, stdio, .* and all/);
  assert.match((await brood(["run", "--help=limit"])).stderr, /no help about limit, did you mean limits\?/);
});

test("words that are no UTF-8 come to the command as they are; the flags before it can't be such", async () => {
  using files = new TemporaryFiles();
  const name = Buffer.concat([Buffer.from(`${files.path("f")}`), Buffer.from([0xff])]);
  copyFileSync("/bin/echo", name);
  // What looks like Node's replacement is one here.
  const words = [name, "a\ufffd", Buffer.from([0xfe, 0x62]), "", "ü"];
  const { stdout } = await run(process.execPath, [BROOD, "run", "--env", "A=1", ...words], { encoding: "buffer" });
  assert.deepEqual(stdout, Buffer.concat([Buffer.from("a\ufffd "), Buffer.from([0xfe, 0x62]), Buffer.from("  ü\n")]));
  const flagged = await run(process.execPath, [BROOD, "run", "--cwd", Buffer.from([0x2f, 0xff]), "true"], { reject: false });
  assert.equal(flagged.exit.kind === "exited" && flagged.exit.code, 125);
  assert.match(flagged.stderr, /"\/\ufffd" is no UTF-8, as a flag and its value have to be/);
});

test("words after the command are the command's, also such as look like flags", async () => {
  const result = await brood(["run", "sh", "-c", 'echo "$@"', "sh", "--timeout", "5", "--", "-x"]);
  assert.equal(result.stdout, "--timeout 5 -- -x\n");
});

test("a report or a complaint that nobody can take changes nothing of the status", async () => {
  for (const [words, status] of [
    [["run", "--report", "--", "sh", "-c", "exit 3"], 3],
    [["run", "--idle-timeout", "1h", "--report", "--", "sh", "-c", "echo err >&2; exit 3"], 3],
    [["run", "--", "no-such-command"], 127],
    [["run", "--nice", "99", "true"], 125],
    [[], 125],
  ] as const) {
    const [readEnd, writeEnd] = cloexecPipe();
    close(readEnd);
    // No room, and nobody there.
    for (const stderr of [{ file: "/dev/full" }, writeEnd]) {
      const { exit } = await run(process.execPath, [BROOD, ...words], { stderr, reject: false });
      assert.equal(exit.kind === "exited" && exit.code, status, words.join(" "));
    }
    close(writeEnd);
  }
});

test("an error about a file that is called like an option names the file", async () => {
  const { status, stderr } = await brood(["run", "--", "./options.timeout"]);
  assert.equal(status, 127);
  assert.match(stderr, /no such file "\.\/options\.timeout"/);
});

test("help that nobody reads to its end is no error", async () => {
  const child = startBrood(["run", "--help"]);
  // It can't be read here either.
  const result = child.result.catch(() => {});
  child.process.stdout?.destroy();
  const [status] = await once(child.process, "exit");
  assert.equal(status, 0);
  await result;
});

test("where Node can't open what should be our stdout and stderr, as on a terminal that hangs up just then, the command runs to its end", async () => {
  const unopened = `for (const name of ["stdout", "stderr"]) Object.defineProperty(process, name, { get() { throw new Error("EINVAL"); } });`;
  const source = `data:text/javascript,${encodeURIComponent(unopened)}`;
  for (const [words, status, stdout] of [
    [["--", "sh", "-c", "echo said; exit 9"], 9, "said\n"],
    [["--report", "--", "sh", "-c", "exit 8"], 8, ""],
    [["--", "no-such-command"], 127, ""],
  ] as const) {
    const result = await run(process.execPath, ["--import", source, BROOD, "run", ...words], { reject: false });
    assert.deepEqual([result.exit.kind === "exited" && result.exit.code, result.stdout], [status, stdout], result.stderr);
  }
});
