import { once } from "node:events";
import { createServer } from "node:net";
import { SpawnHost } from "brood/host";

// We, who may, open the listening socket: here any port, as root it could be 443.
const server = createServer();
server.listen(0, "127.0.0.1");
await once(server, "listening");
const socket = (server as unknown as { _handle: { fd: number } })._handle.fd;

const host = await SpawnHost.start();
const embryo = await host.create();
// The server's process gets the socket as its fd 3, and gives up what it is not to have.
await embryo.dup2(await embryo.give(socket), 3);
server.close();
if (process.getuid?.() === 0) {
  await embryo.setgroups([]);
  await embryo.setresgid(65534);
  await embryo.setresuid(65534);
}
await embryo.setNoNewPrivs();
const child = await embryo.exec("sh", ["-c", "readlink /proc/$$/fd/3 | cut -d: -f1"]);
console.log((await child.output()).stdout.trim()); // socket

await embryo[Symbol.asyncDispose]();
await host[Symbol.asyncDispose]();
