import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { SpawnHost } from "brood/host";

/** Runs one step of a build where it can use its directory, few resources, and no setuid program. */
async function buildStep(directory: string, file: string, args: string[]): Promise<string> {
  const host = await SpawnHost.start();
  try {
    const embryo = await host.create({ contain: "auto" });
    try {
      await embryo.chdir(directory);
      await embryo.umask(0o22);
      await embryo.setpriority(10);
      await embryo.setrlimit("cpu", 60);
      await embryo.setrlimit("fsize", 100_000_000);
      await embryo.setNoNewPrivs();
      // As root one would add: await embryo.unshare(["net", "mount", "ipc"]); and give up the ids.
      const child = await embryo.exec(file, args, { stdin: "ignore", env: { HOME: directory }, timeout: 120_000 });
      const { stdout } = await child.output();
      await child.check();
      return stdout;
    } finally {
      await embryo[Symbol.asyncDispose]();
    }
  } finally {
    await host[Symbol.asyncDispose]();
  }
}

const directory = mkdtempSync(`${tmpdir()}/build-`);
const daemon = "(setsid sleep 1000 >/dev/null 2>&1 &)";
const out = await buildStep(directory, "sh", ["-c", `${daemon}; echo made > product; cat product; ulimit -t`]);
console.log(out.trim().replace("\n", " ")); // made 60
rmSync(directory, { recursive: true });
