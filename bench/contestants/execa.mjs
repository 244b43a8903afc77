import { contestant, count, onlySockets, pour, roundTrip } from "./javascript.mjs";

await contestant({
  module: "execa",
  use: ({ execa, execaSync }) => ({
    exit(file, stdio) {
      const child = execa(file, [], { stdio });
      child.stdin?.end();
      return child;
    },
    idle(file, stdio) {
      const child = execa(file, ["idle"], { stdio, buffer: false });
      child.catch(() => {});
      child.stdout?.resume();
      child.stderr?.resume();
      return child;
    },
    victim(file) {
      const child = execa(file, ["idle"], { stdio: "ignore", reject: false });
      return () => {
        child.kill("SIGKILL");
        return child;
      };
    },
    async receive(file, mib, kind) {
      onlySockets(kind);
      const child = execa(file, ["give", `${mib}`], { stdio: ["ignore", "pipe", "ignore"], buffer: false });
      const bytes = await count(child.stdout);
      await child;
      return bytes;
    },
    async send(file, mib, kind) {
      onlySockets(kind);
      const child = execa(file, ["take"], { stdio: ["pipe", "ignore", "ignore"], buffer: false });
      await pour(child.stdin, mib);
      await child;
    },
    run: async (file) => (await execa(file, ["say"], { stdin: "ignore", stripFinalNewline: false })).stdout,
    runSync: (file) => () => execaSync(file, ["say"], { stdin: "ignore", stripFinalNewline: false }).stdout,
    async capture(file, mib, as) {
      const options = { stdin: "ignore", maxBuffer: Number.POSITIVE_INFINITY, stripFinalNewline: false };
      if (as === "text") return (await execa(file, ["words", `${mib}`], options)).stdout.length;
      return (await execa(file, ["give", `${mib}`], { ...options, encoding: "buffer" })).stdout.length;
    },
    echo(file) {
      const child = execa(file, ["echo"], { stdio: ["pipe", "pipe", "ignore"], buffer: false });
      return roundTrip(child.stdin, child.stdout);
    },
  }),
});
