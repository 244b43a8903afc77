import { ExitError, run } from "brood";

const { stdout } = await run("node", ["--version"]);
console.log(stdout.trim());

try {
  await run("sh", ["-c", "echo disk full >&2; exit 3"]);
} catch (error) {
  if (!(error instanceof ExitError)) throw error;
  console.log(error.message); // sh -c "echo disk full >&2; exit 3" exited with code 3: disk full
}
