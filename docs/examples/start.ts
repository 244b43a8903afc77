import { SpawnError, spawn } from "brood";

const child = spawn("sh", ["-c", "ulimit -n; cut -d ' ' -f 1 <&3"], {
  cwd: "/tmp",
  env: { LANG: "C" }, // over our own environment
  fds: { 3: { file: "/proc/version" } }, // opened by the child for reading, as its fd 3
  rlimits: { nofile: 256 },
  umask: 0o077,
  nice: 10,
});
console.log((await child.stdout.text()).split("\n")); // [ '256', 'Linux', '' ]

try {
  spawn("ls", [], { cwd: "/nope" });
} catch (error) {
  if (!(error instanceof SpawnError)) throw error;
  console.log(error.stage, error.code, error.path); // chdir ENOENT /nope
}
