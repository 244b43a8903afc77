import { run, spawn } from "brood";

// execFile("sh", ["-c", "echo $GREETING"], { env: { ...process.env, GREETING: "hi" } }, callback)
const { stdout } = await run("sh", ["-c", "echo $GREETING"], { env: { GREETING: "hi" } });
console.log(stdout.trim()); // hi

// child.on("exit", (code, signal) => ...), child.on("close", ...)
const child = spawn("sh", ["-c", "echo out; exit 4"]);
// a stream, as there
child.stdout.on("data", (chunk) => console.log(`${chunk}`.trim()));
const exit = await child.exited; // it never rejects
console.log(exit.kind === "exited" ? exit.code : exit.kind); // 4
await child.closed;

try {
  // child.on("error", ...): here the call itself throws
  spawn("ls", [], { cwd: "/nonexistent" });
} catch (error) {
  console.log((error as Error).message); // cannot spawn "ls": no such directory "/nonexistent" (ENOENT at chdir)
}
