import { bySpawnSync, contestant, onlySockets } from "./javascript.mjs";

const drained = async (stream) => (await new Response(stream).arrayBuffer()).byteLength;
const lengthOf = async (text) => (await text).length;

await contestant({
  use: () => ({
    exit(file, stdio) {
      const child = Bun.spawn([file], { stdio: [stdio, stdio, stdio] });
      if (stdio === "ignore") return child.exited;
      child.stdin.end();
      return Promise.all([drained(child.stdout), drained(child.stderr), child.exited]);
    },
    idle: (file, stdio) => {
      const child = Bun.spawn([file, "idle"], { stdio: [stdio, stdio, stdio] });
      return stdio === "ignore" ? child : [child, child.stdin, child.stdout.getReader().read(), child.stderr.getReader().read()];
    },
    victim(file) {
      const child = Bun.spawn([file, "idle"], { stdio: ["ignore", "ignore", "ignore"] });
      return () => {
        child.kill("SIGKILL");
        return child.exited;
      };
    },
    async receive(file, mib, kind) {
      onlySockets(kind);
      const child = Bun.spawn([file, "give", `${mib}`], { stdio: ["ignore", "pipe", "ignore"] });
      let bytes = 0;
      for await (const chunk of child.stdout) bytes += chunk.length;
      await child.exited;
      return bytes;
    },
    async send(file, mib, kind) {
      onlySockets(kind);
      const child = Bun.spawn([file, "take"], { stdio: ["pipe", "ignore", "ignore"] });
      const block = Buffer.alloc(65536, 1);
      for (let left = mib * 16; left > 0; left--) {
        child.stdin.write(block);
        await child.stdin.flush();
      }
      child.stdin.end();
      await child.exited;
    },
    async run(file) {
      const child = Bun.spawn([file, "say"], { stdio: ["ignore", "pipe", "pipe"] });
      const [stdout] = await Promise.all([new Response(child.stdout).text(), drained(child.stderr), child.exited]);
      return stdout;
    },
    runSync(file, api) {
      if (api === "node") return bySpawnSync(file);
      return () => Bun.spawnSync([file, "say"], { stdio: ["ignore", "pipe", "pipe"] }).stdout.toString();
    },
    async capture(file, mib, as) {
      const child = Bun.spawn([file, as === "text" ? "words" : "give", `${mib}`], { stdio: ["ignore", "pipe", "pipe"] });
      const output = as === "text" ? lengthOf(child.stdout.text()) : drained(child.stdout);
      const [length] = await Promise.all([output, drained(child.stderr), child.exited]);
      return length;
    },
    echo(file) {
      const child = Bun.spawn([file, "echo"], { stdio: ["pipe", "pipe", "ignore"] });
      const reader = child.stdout.getReader();
      return async () => {
        child.stdin.write("x");
        await child.stdin.flush();
        await reader.read();
      };
    },
  }),
});
