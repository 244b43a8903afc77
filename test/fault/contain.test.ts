/**
 * A contained spawn in which one system call of ours fails, each in turn: one clear error, and nothing of it is left.
 */

import assert from "node:assert/strict";
import { test } from "../helpers/test.js";
import { inFaultyNode, type Outcome } from "./faulty-node.js";

const GOOD = { said: "hello", exit: "exited 0" };
const failed = (code: string, stage: string) => ({ name: "SpawnError", code, stage });

const FAULTS: { call: string; errno: string; options: object; first: object[] }[] = [
  { call: "socketpair", errno: "EMFILE", options: { contain: "keeper" }, first: [failed("EMFILE", "report")] },
  { call: "recvmsg", errno: "EMFILE", options: { contain: "keeper" }, first: [failed("EMFILE", "pidfd")] },
  { call: "recvmsg", errno: "EMFILE", options: { contain: "namespace" }, first: [failed("EMFILE", "pidfd")] },
  { call: "clone", errno: "EAGAIN", options: { contain: "keeper" }, first: [failed("EAGAIN", "clone")] },
  { call: "clone", errno: "EAGAIN", options: { contain: "cgroup" }, first: [failed("EAGAIN", "clone")] },
  {
    call: "epoll_ctl",
    errno: "ENOMEM",
    options: { contain: "keeper" },
    first: [failed("ENOMEM", "watch"), failed("ENOMEM", "watch")],
  },
  { call: "socketpair", errno: "EMFILE", options: { namespaces: ["user"] }, first: [failed("EMFILE", "report")] },
  { call: "pthread_create", errno: "EAGAIN", options: { namespaces: ["user"] }, first: [failed("EAGAIN", "report")] },
];

test("no memory for the table of what is watched, at each entry of a kept spawn: one error, and nothing of it is left", async () => {
  // A kept child with its three pipes has six entries: as many places at which a table that is full can be found.
  for (let others = 0; others < 6; others++) {
    const error = await inFaultyNode<object>(
      `await warmUp({ contain: "keeper" });
       const compare = takeStock();
       const held = Array.from({ length: ${others} }, () => spawn("sleep", ["100"], { stdio: "ignore" }));
       let error;
       fail("realloc", "ENOMEM");
       while (error === undefined) {
         try { held.push(spawn("cat", { contain: "keeper" })); } catch (thrown) { error = told(thrown); }
       }
       clear("realloc");
       for (const child of held) await child[Symbol.asyncDispose]();
       await compare();
       done(error);`,
      undefined,
    );
    assert.deepEqual(error, failed("ENOMEM", "watch"));
  }
});

test("a keeper that ended without having read what it was told has told of its command all the same", async () => {
  // The kernel says so once, at whichever reading comes first: for its last word, for the end of its socket, for its own end.
  const exit = await inFaultyNode<object>(
    `await warmUp({ contain: "keeper" });
     const child = spawn("cat", { contain: "keeper", stdout: "ignore", stderr: "ignore" });
     fail("read", "ECONNRESET", 0, 3);
     child.stdin.end();
     const exit = await child.closed;
     if (clear("read") !== 0) throw new Error("the keeper was not read");
     done({ kind: exit.kind, code: exit.code });`,
    undefined,
  );
  assert.deepEqual(exit, { kind: "exited", code: 0 });
});

const embryo = (create: string, exec: string): string => `await (async () => {
  const embryo = await host.create(${create});
  try {
    await embryo.umask(0o77);
    return await embryo.exec("cat", ${exec});
  } finally {
    await embryo[Symbol.asyncDispose]();
  }
})()`;

/** How a contained command comes about through a host. */
const STARTS = {
  "a spawn through a host": `await host.spawn("cat", { contain })`,
  "a process that then execs": embryo("{ contain }", "{}"),
  "an exec that contains": embryo("{}", "{ contain }"),
};

for (const contain of ["keeper", "namespace", "cgroup"]) {
  for (const [call, code] of [
    ["socketpair", "EMFILE"],
    ["sendmsg", "EPERM"],
    ["recvmsg", "ENOMEM"],
    ["malloc", "ENOMEM"],
    ["epoll_ctl", "ENOSPC"],
    ["pipe2", "EMFILE"],
  ]) {
    for (const [what, start] of Object.entries(STARTS)) {
      if (what === "an exec that contains" && contain !== "cgroup") continue;
      // It needs none.
      if (what === "a spawn through a host" && contain === "cgroup" && call === "socketpair") continue;
      test(`${contain}: ${call} failing with ${code} at each point of ${what} is one error, and leaves nothing`, async () => {
        const outcomes = await inFaultyNode<string[]>(
          `const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
         await warmUp({ contain: ${JSON.stringify(contain)} });
         const outcomes = [];
         for (let skip = 0, met = true; met; skip++) {
           const compare = takeStock();
           const host = await SpawnHost.start();
           fail(${JSON.stringify(call)}, ${JSON.stringify(code)}, skip);
           let outcome;
           try {
             const contain = ${JSON.stringify(contain)};
             const child = ${start};
             child.stdin.on("error", () => {}).end("hello");
             outcome = await child.stdout.text().catch((error) => error.code);
             await child.closed;
           } catch (error) {
             outcome = error.name;
           }
           met = clear(${JSON.stringify(call)}) === 0;
           await host[Symbol.asyncDispose]();
           await compare();
           outcomes.push(outcome);
         }
         done(outcomes);`,
          undefined,
        );
        assert.ok(outcomes.length > 1);
        assert.equal(outcomes.at(-1), "hello");
      });
    }
  }
}

for (const { call, errno, options, first } of FAULTS) {
  test(`${JSON.stringify(options)}: ${call} fails with ${errno}: one error, nothing left, and the next spawn works`, async () => {
    const outcomes = await inFaultyNode<Outcome[]>(
      `await warmUp(${JSON.stringify(options)});
       done(await positions("${call}", "${errno}", ${JSON.stringify(options)}));`,
      undefined,
    );
    assert.deepEqual(outcomes.slice(0, first.length), first);
    for (const outcome of outcomes.slice(first.length)) assert.deepEqual(outcome, GOOD);
  });
}

for (const [contain, descendants, skip] of [
  ["keeper", "leave", 2],
  ["cgroup", "wait", 1],
] as const) {
  test(`${contain}: where the epoll set takes no more nobody waits for ever for what is told through it`, async () => {
    const said = await inFaultyNode<[exit: number, left: number]>(
      `await run("true", { contain: "${contain}" });
       const [read, write] = posix.cloexecPipe();
       const none = { stdin: "ignore", stdout: "ignore", stderr: "ignore" };
       fail("epoll_ctl", "ENOSPC", ${skip});
       const child = spawn("sh", ["-c", "cat <&3 & exit 3"], { ...none, fds: { 3: read }, contain: "${contain}", descendants: "${descendants}" });
       const { code } = await child.exited;
       posix.close(read);
       posix.close(write);
       await child.closed;
       done([code, clear("epoll_ctl")]);`,
      undefined,
    );
    assert.deepEqual(said, [3, 0]);
  });
}

test("a cgroup's watcher that was killed is started again, also where that fails at first", async () => {
  const counts = await inFaultyNode<number[]>(
    `const { watchersOf } = await import(${JSON.stringify(import.meta.resolve("../helpers/processes.js"))});
     await run("true", { contain: "cgroup" });
     const [first] = watchersOf(process.pid);
     fail("clone", "EAGAIN");
     process.kill(first, "SIGKILL");
     const turn = () => new Promise(setImmediate);
     while (watchersOf(process.pid)[0] === first || watchersOf(process.pid).length === 0) await turn();
     done([watchersOf(process.pid).length, clear("clone")]);
     process.exit();`,
    undefined,
  );
  assert.deepEqual(counts, [1, 0]);
});

test("a host's child in a new user namespace that can't be heard asking for its id maps does not wait for ever", async () => {
  const outcomes = await inFaultyNode<string[]>(
    `const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
     const host = await SpawnHost.start();
     const outcomes = [];
     for (const [call, code] of [["epoll_ctl", "ENOSPC"], ["recvmsg", "ENOMEM"]]) {
       for (let skip = 0; skip < 6; skip++) {
         fail(call, code, skip);
         const outcome = await host.run("true", { namespaces: ["user"] }).then(({ exit }) => exit.kind, (error) => error.name);
         if (clear(call) === 1) break;
         outcomes.push(outcome);
       }
     }
     const { stdout } = await host.run("echo", ["again"], { namespaces: ["user"] });
     await host[Symbol.asyncDispose]();
     done([...outcomes, stdout]);`,
    undefined,
  );
  assert.ok(outcomes.length > 2, outcomes.join(" "));
  assert.equal(outcomes.at(-1), "again\n");
});
