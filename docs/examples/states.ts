import { spawn } from "brood";

const child = spawn("sleep", ["60"], { stdio: "ignore", processGroup: "new" });
try {
  child.kill("SIGSTOP");
  console.log((await child.wait({ stopped: true })).kind); // stopped
  child.kill("SIGCONT");
  console.log((await child.wait({ continued: true })).kind); // continued
  child.killGroup("SIGKILL");
  const exit = await child.exited;
  console.log(exit.kind, exit.kind === "killed" ? exit.signal : ""); // killed SIGKILL
  console.log(child.kill("SIGTERM")); // false: it has exited, and nobody else is hit
} finally {
  await child[Symbol.asyncDispose]();
}
