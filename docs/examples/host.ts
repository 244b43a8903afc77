import { SpawnHost } from "brood/host";

// Every child of this host starts in /usr, with files of its own hidden from others.
const host = await SpawnHost.start({ cwd: "/usr", umask: 0o77 });
try {
  const { stdout } = await host.run("sh", ["-c", "pwd; umask"]);
  console.log(stdout.trim().replace("\n", " ")); // /usr 0077

  const child = await host.spawn("cat");
  child.stdin.end("it is our child");
  console.log(await child.stdout.text()); // it is our child
} finally {
  await host[Symbol.asyncDispose]();
}
