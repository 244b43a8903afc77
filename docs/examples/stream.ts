import { spawn } from "brood";

const child = spawn("sort", ["-n"], { stderr: "inherit", timeout: 10_000 });
try {
  child.stdin.end("10\n9\n8\n");
  for await (const line of child.stdout.lines()) console.log(line);
  await child.check(); // throws unless it ended with exit code 0
} finally {
  await child[Symbol.asyncDispose](); // from Node 24 on: await using child = spawn(...)
}
