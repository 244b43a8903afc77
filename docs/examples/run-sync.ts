import { runSync } from "brood";

const { stdout } = runSync("sort", ["-n"], { input: "10\n9\n8\n" });
console.log(stdout.split("\n")[0]); // 8

const { reason, durationMs } = runSync("sleep", ["60"], { timeout: 100, reject: false });
console.log(reason, durationMs < 5000); // timeout true
