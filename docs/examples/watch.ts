import { Monitor, spawn } from "brood";
import { close, forkExec } from "brood/posix";

// A child that something else started: here a bare call, elsewhere a native library.
const { pid, pidfd } = forkExec(["sh", "-c", "kill -STOP $$; exit 3"], ["/bin/sh"]);

const monitor = new Monitor();
try {
  const adopted = monitor.add({ pidfd });
  close(pidfd); // the monitor has its own
  console.log((await adopted.wait({ stopped: true })).kind); // stopped
  adopted.kill("SIGCONT");
  const exit = await adopted.exited;
  console.log(exit.kind, exit.kind === "exited" && exit.pid === pid); // exited true

  // A process that isn't ours: the child of a shell, which reaps it.
  const shell = spawn("sh", ["-c", "read _ <&3 & echo $!; wait"], { fds: { 3: { pipe: "w" } } });
  const line = await shell.stdout.lines().next();
  const watched = monitor.watch(Number(line.value));
  console.log(watched.kill(0)); // true
  shell.kill("SIGKILL");
  watched.kill("SIGKILL");
  console.log((await watched.exited).kind === "exited"); // false
} finally {
  await monitor[Symbol.asyncDispose]();
}
