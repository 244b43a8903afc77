import { spawnAsync } from "brood";

const child = await spawnAsync("sh", ["-c", "umask; nice; ulimit -c"], {
  preexec: async (embryo) => {
    await embryo.umask(0o77);
    await embryo.setpriority(5);
    await embryo.setrlimit("core", 0);
  },
});
console.log((await child.output()).stdout.trim().replaceAll("\n", " ")); // 0077 5 0

try {
  await spawnAsync("true", {
    preexec: () => {
      throw new Error("not on a Sunday");
    },
  });
} catch (error) {
  console.log((error as Error).message); // cannot spawn "true": preexec failed: not on a Sunday (ERR_PREEXEC at preexec)
}
