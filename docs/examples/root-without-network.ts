import { run } from "brood";

// An ordinary user's command becomes root, in a user namespace of its own, and has no network.
const { stdout } = await run("sh", ["-c", "id -u; tail -n +2 /proc/net/route | wc -l; echo $$"], {
  namespaces: ["user", "net", "pid", "mount"],
  uidMap: [{ inside: 0, outside: process.getuid?.() ?? 0 }],
  gidMap: [{ inside: 0, outside: process.getgid?.() ?? 0 }],
});
const [uid, routes, pid] = stdout.split("\n");
console.log(`uid ${uid}`); // uid 0
console.log(`routes ${routes}`); // routes 0
console.log(`pid ${pid}`); // pid 2
