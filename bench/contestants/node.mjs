import { bySpawnSync, contestant, count, onlySockets, pour, roundTrip } from "./javascript.mjs";

// Given by --import, so it has happened already: what is started here must really be on the other engine.
if (process.execArgv.includes("brood/register")) {
  const { register } = await import("brood/register");
  if (!register()) throw new Error("not registered");
}

await contestant({
  module: "node:child_process",
  use: ({ spawn, execFile }) => ({
    exit(file, stdio) {
      const child = spawn(file, [], { stdio });
      if (stdio === "pipe") {
        child.stdin.end();
        child.stdout.resume();
        child.stderr.resume();
      }
      return new Promise((resolve) => child.once("close", resolve));
    },
    idle(file, stdio) {
      const child = spawn(file, ["idle"], { stdio });
      child.stdout?.resume();
      child.stderr?.resume();
      return child;
    },
    victim(file) {
      const child = spawn(file, ["idle"], { stdio: "ignore" });
      return () =>
        new Promise((resolve) => {
          child.once("exit", resolve);
          child.kill("SIGKILL");
        });
    },
    async receive(file, mib, kind) {
      onlySockets(kind);
      const child = spawn(file, ["give", `${mib}`], { stdio: ["ignore", "pipe", "ignore"] });
      const closed = new Promise((resolve) => child.once("close", resolve));
      const bytes = await count(child.stdout);
      await closed;
      return bytes;
    },
    async send(file, mib, kind) {
      onlySockets(kind);
      const child = spawn(file, ["take"], { stdio: ["pipe", "ignore", "ignore"] });
      const exited = new Promise((resolve) => child.once("exit", resolve));
      await pour(child.stdin, mib);
      await exited;
    },
    run: (file) => captured(execFile, file, ["say"], "utf8"),
    runSync: bySpawnSync,
    async capture(file, mib, as) {
      if (as === "text") return (await captured(execFile, file, ["words", `${mib}`], "utf8")).length;
      return (await captured(execFile, file, ["give", `${mib}`], "buffer")).length;
    },
    echo(file) {
      const child = spawn(file, ["echo"], { stdio: ["pipe", "pipe", "ignore"] });
      return roundTrip(child.stdin, child.stdout);
    },
  }),
});

function captured(execFile, file, args, encoding) {
  return new Promise((resolve, reject) => {
    execFile(file, args, { encoding, maxBuffer: Number.POSITIVE_INFINITY }, (error, stdout) => {
      if (error) reject(error);
      else resolve(stdout);
    });
  });
}
