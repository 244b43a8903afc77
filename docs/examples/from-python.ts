import { ExitError, run, spawn, TimeoutError } from "brood";

// subprocess.check_output(["tr", "a-z", "A-Z"], input=b"pear")
const { stdout } = await run("tr", ["a-z", "A-Z"], { input: "pear" });
console.log(stdout); // PEAR

// subprocess.run(["sh", "-c", "exit 3"]).returncode
const { exit } = await run("sh", ["-c", "exit 3"], { reject: false });
console.log(exit.kind === "exited" ? exit.code : exit.kind); // 3

try {
  // subprocess.run(["sleep", "60"], timeout=0.1, check=True)
  await run("sleep", ["60"], { timeout: 100 });
} catch (error) {
  if (error instanceof TimeoutError)
    console.log(error.reason); // timeout
  else if (error instanceof ExitError) console.log(error.exit);
}

// p = Popen(["sh", "-c", "cat; echo done >&2"], stdin=PIPE, stdout=PIPE, stderr=STDOUT)
const p = spawn("sh", ["-c", "cat; echo done >&2"], { stderr: { dup: 1 } });
p.stdin.end("banana\n"); // p.communicate(b"banana\n")
console.log((await p.stdout.text()).replace("\n", " ").trim()); // banana done
console.log((await p.closed).kind); // exited
