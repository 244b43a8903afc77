import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "../helpers/test.js";

const { exports } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
  exports: Record<string, { default?: string }>;
};
const entries = Object.keys(exports)
  .filter((path) => exports[path]?.default !== undefined)
  .map((path) => path.replace(".", "brood"));

/** Who touches process.stdout or process.stderr opens them: a pipe is non-blocking from then on, for all who have it. */
const LOOK = `import { readFileSync, writeSync } from "node:fs";
  const touched = [];
  for (const name of ["stdin", "stdout", "stderr"]) {
    const { get } = Object.getOwnPropertyDescriptor(process, name);
    Object.defineProperty(process, name, { get() { touched.push(name); return get.call(process); }, configurable: true });
  }
  const flags = () => [1, 2].map((fd) => /flags:\\s*(\\d+)/.exec(readFileSync("/proc/self/fdinfo/" + fd, "latin1"))[1]);
  const before = flags();
  await import(process.argv[1]);
  writeSync(1, JSON.stringify({ touched, before, after: flags() }));`;

interface Look {
  touched: string[];
  before: string[];
  after: string[];
}

for (const entry of entries) {
  test(`importing ${entry} opens none of our standard streams, and leaves their pipes blocking`, () => {
    const args = ["--input-type=module", "--eval", LOOK, import.meta.resolve(entry)];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    const { touched, before, after } = JSON.parse(stdout || stderr) as Look;
    assert.deepEqual(touched, []);
    assert.deepEqual(after, before);
  });
}

/** Modules of Node that a process has loaded which imports that file and nothing else. */
const loaded = (url: string): string[] => {
  const program = "await import(process.argv[1]); require('node:fs').writeSync(1, process.moduleLoadList.join());";
  const code = `const require = process.getBuiltinModule?.("node:module").createRequire("/") ?? (await import("node:module")).createRequire("/"); ${program}`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", code, url], { encoding: "utf8" });
  assert.equal(stderr, "");
  return stdout.split(",");
};

test("importing brood loads no module of Node's that only its use needs", () => {
  // Before Node 22 its loader needs some itself, for any file.
  const bare = loaded(import.meta.resolve("#dist/states.js"));
  const added = loaded(import.meta.resolve("brood")).filter((name) => !bare.includes(name));
  for (const late of ["stream", "fs/promises", "perf_hooks", "worker_threads", "child_process", "string_decoder"]) {
    assert.ok(!added.includes(`NativeModule ${late}`), `${late}: ${added.join(", ")}`);
  }
});

test("brood works where Node has no process.getBuiltinModule yet, as before 20.16", () => {
  const code = `delete process.getBuiltinModule;
    const { run } = await import(process.argv[1]);
    console.log((await run("echo", ["started"])).stdout.trim());`;
  const args = ["--input-type=module", "--eval", code, import.meta.resolve("brood")];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.equal(stdout, "started\n");
});

test("the first spawnAsync takes what it is given, and what is ours, in the turn of its call", () => {
  const code = `import { closeSync, openSync } from "node:fs";
    const { spawnAsync } = await import(process.argv[1]);
    process.chdir("/usr");
    process.umask(0o027);
    process.env.SAID = "before";
    const fd = openSync("/proc/version");
    const words = ["-c", "pwd; umask; cat; echo $SAID"];
    const starting = spawnAsync("sh", words, { stdin: fd });
    closeSync(fd);
    process.chdir("/");
    process.umask(0o022);
    process.env.SAID = "after";
    words[1] = "echo changed";
    const child = await starting;
    process.stdout.write(await child.stdout.text());`;
  const args = ["--input-type=module", "--eval", code, import.meta.resolve("brood")];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.equal(stdout, `/usr\n0027\n${readFileSync("/proc/version", "utf8")}before\n`);
});

test("the code of hosts and of containment is read when it is first used, in the turn of that call, and once", () => {
  const code = `import { createRequire } from "node:module";
    import { basename } from "node:path";
    const { cache } = createRequire("/");
    const read = () => Object.keys(cache).map((path) => basename(path)).filter((name) => name.endsWith(".cjs")).sort();
    const { run, spawn, spawnAsync } = await import(process.argv[1]);
    const said = { imported: read() };
    const child = spawn("cat");
    child.stdin.end("through");
    await child.stdout.text();
    await run("true");
    said.ran = read();
    const starting = spawnAsync("true");
    said.asked = read();
    await (await starting).exited;
    await spawn("true", { stdio: "ignore", contain: "group" }).closed;
    said.contained = read();
    const { SpawnHost } = await import(process.argv[2]);
    said.same = (await (await SpawnHost.start()).spawn("true")).constructor === child.constructor;
    process.stdout.write(JSON.stringify(said));
    process.exit();`;
  const args = ["--input-type=module", "--eval", code, ...["brood", "brood/host"].map((entry) => import.meta.resolve(entry))];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.deepEqual(JSON.parse(stdout), {
    imported: [],
    ran: [],
    asked: ["hosts.cjs"],
    contained: ["containment.cjs", "hosts.cjs"],
    same: true,
  });
});
