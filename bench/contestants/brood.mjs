import { bySpawnSync, contestant, count, parentOf, pour, roundTrip, withKeeper } from "./javascript.mjs";

const MIB = 2 ** 20;
/** A size that is asked for stays; a pipe without one grows when it is found full. */
const SIZES = { pipe64: 65536, pipe1m: MIB, grows: undefined };

/** What is read from, or written to, in the row of that kind. */
const entry = (pipe, kind) => (kind === "socket" ? "socket" : { pipe, size: SIZES[kind] });

await contestant({
  module: "brood",
  use: ({ spawn, run, runSync }, { contain }) => ({
    exit(file, stdio) {
      if (contain !== undefined) return spawn(file, [], { stdio: "ignore", contain }).closed;
      if (stdio === "ignore") return spawn(file, [], { stdio: "ignore" }).exited;
      const child = spawn(file);
      child.stdin.end();
      child.stdout.resume();
      child.stderr.resume();
      return child.closed;
    },
    idle(file, stdio) {
      const child = spawn(file, ["idle"], { stdio });
      // Streams are made when they are touched; other libraries make them at once.
      return [child, child.stdin, child.stdout?.resume(), child.stderr?.resume()];
    },
    victim(file) {
      const child = spawn(file, ["idle"], { stdio: "ignore" });
      return () => {
        child.kill("SIGKILL");
        return child.exited;
      };
    },
    async receive(file, mib, kind, buffer) {
      const child = spawn(file, ["give", `${mib}`], { stdin: "ignore", stdout: entry("r", kind), stderr: "ignore" });
      const { stdout } = child;
      const bytes = await count(buffer === undefined ? stdout : stdout.iterator({ buffer: Buffer.allocUnsafeSlow(buffer) }));
      await child.closed;
      return bytes;
    },
    async send(file, mib, kind) {
      const child = spawn(file, ["take"], { stdin: entry("w", kind), stdout: "ignore", stderr: "ignore" });
      await pour(child.stdin, mib);
      await child.exited;
    },
    run: async (file) => (await run(file, ["say"])).stdout,
    async runSync(file, api) {
      if (api === "own") return () => runSync(file, ["say"]).stdout;
      const { register } = await import("brood/register");
      if (!register()) throw new Error("not registered");
      return bySpawnSync(file);
    },
    async capture(file, mib, as) {
      if (as === "text") return (await run(file, ["words", `${mib}`])).stdout.length;
      return (await run(file, ["give", `${mib}`], { encoding: "buffer" })).stdout.length;
    },
    keeper: withKeeper(contain) ? async (file) => parentOf(spawn(file, ["idle"], { stdio: "ignore", contain }).pid) : undefined,
    echo(file) {
      const child = spawn(file, ["echo"], { stderr: "ignore" });
      return roundTrip(child.stdin, child.stdout);
    },
  }),
});
