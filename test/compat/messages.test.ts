import assert from "node:assert/strict";
import { type ChildProcess, type Serializable, spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { text } from "node:stream/consumers";
import { importOf, onEachEngine, outcome } from "../helpers/engines.js";
import { TemporaryFiles } from "../helpers/files.js";

async function answer(child: ChildProcess, message: Serializable): Promise<unknown> {
  const [[said]] = await Promise.all([once(child, "message"), new Promise((resolve) => child.send(message, resolve))]);
  return said;
}

const ECHO = `process.on("message", (message) => process.send(message));`;

onEachEngine("messages go both ways, in either serialization", async ({ cp, ours }) => {
  using files = new TemporaryFiles();
  const module = files.write("echo.cjs", ECHO);
  const plain = cp.fork(module);
  assert.equal(plain.brood !== undefined, ours);
  assert.equal(plain.connected, true);
  assert.deepEqual(await answer(plain, { a: [1, "ü", null] }), { a: [1, "ü", null] });
  plain.disconnect();
  // Who disconnects hears no close: Node counts the channel's end only if the other side made it.
  assert.deepEqual(await once(plain, "exit"), [0, null]);
  assert.equal(plain.connected, false);
  const rich = cp.fork(module, [], { serialization: "advanced" });
  const value = { map: new Map([[1, new Set([2n])]]), bytes: Buffer.from("x"), date: new Date(5) };
  const back = (await answer(rich, value as unknown as Serializable)) as typeof value;
  assert.deepEqual([back.map, back.date, Buffer.from(back.bytes).toString()], [value.map, value.date, "x"]);
  rich.kill();
  assert.deepEqual(await once(rich, "close"), [null, "SIGTERM"]);
});

onEachEngine("fork hands on arguments, execArgv, env and stdio", async ({ cp }) => {
  using files = new TemporaryFiles();
  const module = files.write(
    "tell.cjs",
    "process.send([process.argv.slice(2), process.execArgv, process.env.A]); console.log('said');",
  );
  const child = cp.fork(module, ["x", "y"], { execArgv: ["--no-warnings"], env: { A: "1" }, silent: true });
  const [[message], said] = await Promise.all([
    once(child, "message"),
    text(child.stdout as NodeJS.ReadableStream),
    once(child, "close"),
  ]);
  assert.deepEqual([message, said], [[["x", "y"], ["--no-warnings"], "1"], "said\n"]);
});

onEachEngine("a server and a socket can be handed over", async ({ cp }) => {
  using files = new TemporaryFiles();
  const module = files.write(
    "serve.cjs",
    `process.on("message", (what, handle) => {
      if (what === "server") handle.on("connection", (socket) => socket.end("from the child"));
      else handle.end("as well");
      process.send("have it");
    });`,
  );
  const child = cp.fork(module);
  const server = net.createServer().listen(0);
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const have = once(child, "message");
  child.send("server", server);
  await have;
  server.close();
  assert.equal(await text(net.connect(port)), "from the child");

  const second = net.createServer({ pauseOnConnect: true }).listen(0);
  await once(second, "listening");
  const client = net.connect((second.address() as net.AddressInfo).port);
  const [socket] = (await once(second, "connection")) as [net.Socket];
  const has = once(child, "message");
  child.send("socket", socket);
  assert.equal(await text(client), "as well");
  await has;
  // It asks the child whether the socket is closed.
  second.close();
  await once(second, "close");
  child.kill();
  await once(child, "close");
});

onEachEngine("an ipc entry among others keeps its place", async ({ cp }) => {
  const child = cp.spawn(process.execPath, ["-e", "process.send('hello'); require('fs').writeSync(4, 'four')"], {
    stdio: ["ignore", "ignore", "inherit", "ipc", "pipe"],
  });
  const [[message], four] = await Promise.all([
    once(child, "message"),
    text(child.stdio[4] as NodeJS.ReadableStream),
    once(child, "close"),
  ]);
  assert.deepEqual([message, four], ["hello", "four"]);
});

onEachEngine("the channel's end is told, and sending later is an error", async ({ cp }) => {
  const child = cp.spawn(process.execPath, ["-e", "process.disconnect(); process.stdin.resume()"], {
    stdio: ["pipe", "ignore", "inherit", "ipc"],
  });
  await once(child, "disconnect");
  const error = await new Promise<Error | null>((resolve) => child.send("x", resolve));
  assert.equal((error as NodeJS.ErrnoException).code, "ERR_IPC_CHANNEL_CLOSED");
  child.stdin?.end();
  await once(child, "close");
});

onEachEngine("a cluster serves", async ({ engine }) => {
  using files = new TemporaryFiles();
  const main = files.write(
    "main.mjs",
    `${engine === "register" ? importOf("register") : ""}
    import cluster from "node:cluster"; import net from "node:net"; import { once } from "node:events";
    if (cluster.isPrimary) {
      const workers = [cluster.fork(), cluster.fork()];
      const ports = await Promise.all(workers.map(async (worker) => (await once(worker, "listening"))[0].port));
      for await (const data of net.connect(ports[0])) console.log(String(data));
      for (const worker of workers) worker.disconnect();
      await Promise.all(workers.map((worker) => once(worker, "exit")));
      console.log("done");
    } else net.createServer((socket) => socket.end("served")).listen(0);`,
  );
  const { stdout, stderr, code } = await outcome(spawn(process.execPath, [main], { stdio: ["ignore", "pipe", "pipe"] }));
  assert.deepEqual([stdout, stderr, code], ["served\ndone\n", "", 0]);
});
