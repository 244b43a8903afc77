/**
 * Pipes that no child gets by accident.
 */

import assert from "node:assert/strict";
import { readSync, writeSync } from "node:fs";
import { inFaultyNode } from "../../fault/faulty-node.js";
import { posix } from "../../helpers/fork.js";
import { self } from "../../helpers/self.js";
import { test } from "../../helpers/test.js";

test("P9: both ends of cloexecPipe() are close-on-exec, and one reads what the other writes", () => {
  const [readEnd, writeEnd] = posix.cloexecPipe();
  assert.deepEqual([self.getCloexec(readEnd), self.getCloexec(writeEnd)], [1, 1]);
  assert.equal(writeSync(writeEnd, "through"), 7);
  const bytes = Buffer.alloc(16);
  assert.equal(bytes.toString("latin1", 0, readSync(readEnd, bytes)), "through");
  posix.close(writeEnd);
  assert.equal(readSync(readEnd, bytes), 0);
  posix.close(readEnd);
});

test("P9: the flags come with the fds, in one call: there is no second one that could come too late, or fail", async () => {
  const result = await inFaultyNode<object>(
    `const compare = takeStock();
     // Should a flag be set afterwards, then by this call.
     fail("fcntl", "EIO");
     const [readEnd, writeEnd] = posix.cloexecPipe();
     const unused = clear("fcntl");
     fail("pipe2", "EMFILE");
     let error;
     try { posix.cloexecPipe(); } catch (thrown) { error = thrown; }
     posix.close(readEnd);
     posix.close(writeEnd);
     await compare();
     done({ unused, code: error.code, errno: error.errno, syscall: error.syscall, message: error.message });`,
    undefined,
  );
  assert.deepEqual(result, {
    unused: 1,
    code: "EMFILE",
    errno: -24,
    syscall: "pipe2",
    message: "pipe2 EMFILE: too many open files",
  });
});
