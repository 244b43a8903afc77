import { bySpawnSync, contestant, count, pour, roundTrip } from "./javascript.mjs";

const MIB = 2 ** 20;
const SIZES = { pipe64: undefined, pipe1m: MIB };

/** What is read from, or written to, in the row of that kind. */
const entry = (pipe, kind) => (kind === "socket" ? "socket" : { pipe, size: SIZES[kind] });

await contestant({
  load: () => import("brood"),
  use: ({ spawn, run, runSync }) => ({
    exit(file, stdio) {
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
    async receive(file, mib, kind) {
      const child = spawn(file, ["give", `${mib}`], { stdin: "ignore", stdout: entry("r", kind), stderr: "ignore" });
      const bytes = await count(child.stdout);
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
    capture: async (file, mib) => (await run(file, ["give", `${mib}`], { encoding: "buffer" })).stdout.length,
    echo(file) {
      const child = spawn(file, ["echo"], { stderr: "ignore" });
      return roundTrip(child.stdin, child.stdout);
    },
  }),
});
