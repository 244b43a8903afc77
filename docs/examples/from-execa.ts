import { ExitError, run, spawn, TimeoutError } from "brood";
import { cloexecPipe, close } from "brood/posix";

// const { stdout } = await execa("node", ["--version"])
const { stdout } = await run("node", ["--version"]);
console.log(stdout.trimEnd() === process.version); // true

// execa("sh", ["-c", "..."], { lines: true, all: true }): here one pipe, so in the order in which it was written
const both = await run("sh", ["-c", "echo out; echo err >&2; echo again"], { stderr: { dup: 1 } });
console.log(both.stdout.trimEnd().split("\n")); // [ 'out', 'err', 'again' ]

// for await (const line of execa("seq", ["3"]))
const counter = spawn("seq", ["3"], { stdin: "ignore", stderr: "inherit" });
for await (const line of counter.stdout.lines()) console.log(`line ${line}`);
await counter.check(); // a loop that is over does not say how the command ended

// execa("printf", [...]).pipe("sort"), through us
const printf = spawn("printf", ["2\\n1\\n"], { stdin: "ignore", stderr: "inherit" });
const [sorted] = await Promise.all([run("sort", ["-n"], { input: printf.stdout }), printf.check()]);
console.log(sorted.stdout.trimEnd().split("\n")); // [ '1', '2' ]

// the same as a shell does it: the bytes don't come to us
const [readEnd, writeEnd] = cloexecPipe();
const yes = spawn("yes", [], { stdin: "ignore", stdout: writeEnd, stderr: "inherit" });
const head = run("head", ["-1"], { stdin: readEnd });
close(readEnd); // each has its own: with ours open, yes would never learn that nobody reads
close(writeEnd);
console.log((await head).stdout.trimEnd()); // y
const end = await yes.exited;
console.log(end.kind === "killed" && end.signal); // SIGPIPE

try {
  await run("sleep", ["60"], { timeout: 100 });
} catch (error) {
  // error.timedOut, error.exitCode
  if (error instanceof TimeoutError)
    console.log(error.reason); // timeout
  else if (error instanceof ExitError && error.exit.kind === "exited") console.log(error.exit.code);
}
