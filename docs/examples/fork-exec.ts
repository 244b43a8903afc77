import { readSync } from "node:fs";
import { cloexecPipe, close, forkExec, waitid } from "brood/posix";

const [readEnd, writeEnd] = cloexecPipe();
const child = forkExec(["greeter", "-c", 'echo "hello from $0"'], ["/usr/local/bin/sh", "/bin/sh"], {
  stdout: writeEnd,
  cwd: "/",
  env: {},
});
close(writeEnd); // ours: the child has its own, and we want to see the end

const text = Buffer.alloc(64);
const length = readSync(readEnd, text);
console.log(text.toString("utf8", 0, length).trim()); // hello from greeter
close(readEnd);

const state = waitid("P_PIDFD", child.pidfd); // blocks this thread until it has ended
console.log(state?.kind === "exited" && state.code); // 0
close(child.pidfd);
