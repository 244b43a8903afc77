import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { act } from "../helpers/act.js";
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

/** What a process does that imports brood by `argv[1]`, and brood/host by `argv[2]`: what it says as JSON. */
const saidBy = (code: string): unknown => {
  const args = ["--input-type=module", "--eval", code, ...["brood", "brood/host"].map((entry) => import.meta.resolve(entry))];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(stderr, "");
  return JSON.parse(stdout);
};

/** `read()` gives which files of brood's have been read beside the one that was imported. */
const READ = `import { createRequire } from "node:module";
  import { basename } from "node:path";
  const { cache } = createRequire("/");
  const read = () => Object.keys(cache).map((path) => /^(\\w+)-.*\\.cjs$/.exec(basename(path))?.[1]).filter(Boolean).sort();`;

test("what a child needs is read by the first call, other code when it is first used, in the turn of that call, and once", () => {
  const code = `${READ}
    const { Monitor, run, runSync, spawn, spawnAsync } = await import(process.argv[1]);
    const said = { imported: read() };
    const child = spawn("cat");
    said.spawned = read();
    child.stdin.end("through");
    await child.stdout.text();
    await run("true");
    said.ran = read();
    const starting = spawnAsync("true");
    said.asked = read();
    await (await starting).exited;
    await spawn("true", { stdio: "ignore", contain: "group" }).closed;
    said.contained = read();
    runSync("true");
    said.inSync = read();
    Monitor.default.watch(process.pid)[Symbol.dispose]();
    said.watched = read();
    // As those do who load a changed program again.
    for (const path of Object.keys(cache)) delete cache[path];
    const { SpawnHost } = await import(process.argv[2]);
    said.same = (await (await SpawnHost.start()).spawn("true")).constructor === child.constructor;
    said.again = read();
    process.stdout.write(JSON.stringify(said));
    process.exit();`;
  assert.deepEqual(saidBy(code), {
    imported: [],
    spawned: ["engine"],
    ran: ["engine"],
    asked: ["engine", "hosts"],
    contained: ["containment", "engine", "hosts"],
    inSync: ["containment", "engine", "hosts", "sync"],
    watched: ["containment", "engine", "hosts", "sync", "watching"],
    same: true,
    again: [],
  });
});

/** `fill()` leaves no fd, `free()` gives them back. */
const FILL = `import { closeSync, openSync } from "node:fs";
  const held = [];
  const fill = () => {
    try { for (;;) held.push(openSync("/dev/null")); }
    catch (error) { if (error.code !== "EMFILE") throw error; }
  };
  const free = () => held.splice(0).forEach((fd) => closeSync(fd));`;

test("without an fd to read it by the first call says so, and the next one works", () => {
  const code = `${READ} ${FILL}
    const { Monitor, installSignalCleanup, run, runSync, spawn, spawnAsync } = await import(process.argv[1]);
    const uses = { spawn: () => spawn("true"), runSync: () => runSync("true"), Monitor: () => Monitor.default, installSignalCleanup };
    const said = {};
    const tell = (name, error) => (said[name] = [error.name, error.code, error.feature, error.message.replace(/now: .*too many open files.*/, "now: too many open files")].join("|"));
    fill();
    for (const [name, use] of Object.entries(uses)) try { use(); } catch (error) { tell(name, error); }
    // These never throw.
    const promises = { run: run("true"), spawnAsync: spawnAsync("true") };
    for (const [name, promise] of Object.entries(promises)) await promise.catch((error) => tell(name, error));
    said.read = read();
    free();
    said.ran = (await run("echo", ["then"])).stdout;
    process.stdout.write(JSON.stringify(said));
    process.exit();`;
  const error = "UnsupportedError|ERR_UNSUPPORTED|package|cannot read a file of brood's that is needed now: too many open files";
  const names = ["spawn", "runSync", "Monitor", "installSignalCleanup", "run", "spawnAsync"];
  assert.deepEqual(saidBy(code), { ...Object.fromEntries(names.map((name) => [name, error])), read: [], ran: "then\n" });
});

test("a child that is there needs no file any more: its streams, its end by force, its errors", () => {
  const code = `${FILL}
    const { run, spawn } = await import(process.argv[1]);
    const cat = spawn("cat");
    const stubborn = spawn(${JSON.stringify(act)}, ["ignore", "15", "say", "1", "ready", "pause"], { forceKillAfterDelay: 10 });
    const failing = run("sh", ["-c", "read line; exit 3"], { input: "go\\n" }).catch(({ name, exit }) => [name, exit.code]);
    for await (const chunk of stubborn.stdout) break;
    fill();
    cat.stdin.end("through");
    const said = { text: await cat.stdout.text(), stubborn: (await stubborn.terminate()).signal };
    said.failed = await failing;
    fill();
    try { spawn("true", { stdio: "ignore" }); said.more = "started"; } catch (error) { said.more = [error.name, error.code]; }
    process.stdout.write(JSON.stringify(said));
    process.exit();`;
  assert.deepEqual(saidBy(code), {
    text: "through",
    stubborn: "SIGKILL",
    failed: ["ExitError", 3],
    more: ["SpawnError", "EMFILE"],
  });
});

test("a package that was moved away since it was imported is an error that says so, and works when it is back", () => {
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  const place = mkdtempSync(join(tmpdir(), "brood-moved-"));
  try {
    for (const name of ["package.json", "dist/bundle", "prebuilds"])
      cpSync(join(root, name), join(place, "package", name), { recursive: true });
    const code = `import { mkdirSync, renameSync, rmdirSync } from "node:fs";
      const { run } = await import(${JSON.stringify(join(place, "package/dist/bundle/index.mjs"))});
      process.chdir(${JSON.stringify(place)});
      renameSync("package", "elsewhere");
      const said = { away: await run("true").catch(({ name, feature, message }) => [name, feature, message.split("\\n")[0]]) };
      renameSync("elsewhere", "package");
      // Nor is our directory needed for it.
      mkdirSync("gone");
      process.chdir("gone");
      rmdirSync(${JSON.stringify(join(place, "gone"))});
      said.back = (await run("echo", ["back"])).stdout;
      process.stdout.write(JSON.stringify(said));`;
    const { away, back } = saidBy(code) as { away: string[]; back: string };
    const [name, feature, message] = away;
    assert.deepEqual([name, feature, back], ["UnsupportedError", "package", "back\n"]);
    assert.match(message ?? "", /^cannot read a file of brood's that is needed now: Cannot find module '.*engine-\w+\.cjs'$/);
  } finally {
    rmSync(place, { recursive: true });
  }
});

test("every entry exports what its module does: the same names, and functions that are declared alike", () => {
  const names = ["index", ...entries.filter((entry) => entry !== "brood").map((entry) => entry.replace("brood/", ""))];
  const pairs = names.map((name) =>
    [`dist/${name}.js`, `dist/bundle/${name}.mjs`].map((path) => new URL(`../../../${path}`, import.meta.url).href),
  );
  const code = `const shape = (value) => [typeof value, value.name, value.length].join();
    const shapes = (module) => Object.fromEntries(Object.entries(module).map(([name, value]) => [name, shape(value)]));
    const said = [];
    for (const pair of ${JSON.stringify(pairs)}) said.push((await Promise.all(pair.map((url) => import(url)))).map(shapes));
    process.stdout.write(JSON.stringify(said));`;
  const shapes = saidBy(code) as [object, object][];
  assert.equal(shapes.length, names.length);
  for (const [i, [module, bundled]] of shapes.entries()) assert.deepEqual(bundled, module, names[i]);
});

test("stack traces name the functions that they go through", () => {
  const { stack } = saidBy(`const { spawn } = await import(process.argv[1]);
    try { spawn("true", { cwd: 1.5 }); } catch ({ stack }) { process.stdout.write(JSON.stringify({ stack })); }`) as {
    stack: string;
  };
  const frames = stack.split("\n").filter((line) => line.includes("/dist/bundle/"));
  const of = (file: RegExp) => frames.filter((line) => file.test(line)).map((line) => /at (?:new )?(\S+) \(/.exec(line)?.[1]);
  assert.deepEqual(of(/index\.mjs/), ["outOfRange", "spawn"]);
  assert.deepEqual(of(/engine-\w+\.cjs/).slice(-4), ["plan", "prepareParts", "start", "spawn"]);
});

test("brood can be required where Node requires modules, and is the one that is imported", () => {
  const code = `import { createRequire } from "node:module";
    import { fileURLToPath } from "node:url";
    const said = await import(process.argv[1]).then((brood) => {
      try { return createRequire("/")(fileURLToPath(process.argv[1])).spawn === brood.spawn; } catch (error) { return error.code; }
    });
    console.log(said);`;
  const args = ["--no-warnings", "--input-type=module", "--eval", code, import.meta.resolve("brood")];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  const { require_module: requires } = process.features as { require_module?: boolean };
  assert.equal(stdout, requires === true ? "true\n" : "ERR_REQUIRE_ESM\n", stderr);
});
