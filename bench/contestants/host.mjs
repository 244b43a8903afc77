/** brood through a spawn host; with relay=1 through one that is the parent of what it starts, and tells what becomes of it. */

import { Absence, contestant, parentOf, withKeeper } from "./javascript.mjs";

await contestant({
  module: "brood/host",
  async use({ SpawnHost }, { relay = 0, contain }) {
    const start = () => SpawnHost.start({ relay: relay === 1 });
    const host = await start();
    if (contain !== undefined) await offered(host, contain);
    return {
      ...through(host, contain),
      idle: (file, stdio) => host.spawn(file, ["idle"], { stdio }),
      async keeper(file) {
        if (!withKeeper(contain)) throw new Absence("there is none for each");
        return parentOf((await host.spawn(file, ["idle"], { stdio: "ignore", contain })).pid);
      },
      hosts: async (count) => (await Promise.all(Array.from({ length: count }, start))).map((one) => through(one)),
    };
  },
});

function through(host, contain) {
  const begin = async (file, stdio) => {
    const child = await host.spawn(file, [], contain === undefined ? { stdio } : { stdio, contain });
    if (stdio === "ignore") return { closed: contain === undefined ? child.exited : child.closed };
    child.stdin.end();
    child.stdout.resume();
    child.stderr.resume();
    return { closed: child.closed };
  };
  return {
    begin,
    exit: async (file, stdio) => (await begin(file, stdio)).closed,
    async victim(file) {
      const child = await host.spawn(file, ["idle"], { stdio: "ignore" });
      return () => {
        child.kill("SIGKILL");
        return child.exited;
      };
    },
  };
}

async function offered(host, contain) {
  try {
    await (await host.spawn("true", [], { stdio: "ignore", contain })).closed;
  } catch (error) {
    if (error.code === "ERR_UNSUPPORTED") throw new Absence("not offered");
    throw error;
  }
}
