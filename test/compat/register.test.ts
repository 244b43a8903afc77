import assert from "node:assert/strict";
import childProcess, { execFile as namedExecFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import * as broods from "brood/child_process";
import { register, unregister } from "brood/register";
import { ADDED_OPTION_NAMES } from "#dist/compat/added-options.js";
import { processState } from "../helpers/act.js";
import { childPath } from "../helpers/children.js";
import { closed, outcome } from "../helpers/engines.js";
import { TemporaryFiles } from "../helpers/files.js";
import { inNode } from "../helpers/in-node.js";
import { runNode } from "../helpers/node.js";
import { parseReport, type Report, signalsOf } from "../helpers/report.js";
import { test } from "../helpers/test.js";

unregister();
const REGISTER = import.meta.resolve("brood/register");
const IMPORT = ["--import", REGISTER];
/** Whether children of a process are brood's. */
const TELL = `const { default: cp } = await import("node:child_process");
  console.log(cp.spawn("true", { stdio: "ignore" }).brood !== undefined);`;

const isOurs = (): boolean => childProcess.spawn("true", { stdio: "ignore" }).brood !== undefined;

async function reportOf(brood: broods.AddedOptions, options: object = {}): Promise<Report> {
  const child = broods.spawn(childPath("report"), ["1"], { env: {}, ...options, brood });
  const { stdout, stderr, code } = await outcome(child);
  assert.deepEqual([stderr, code], ["", 0]);
  return parseReport(stdout);
}

test("register and unregister can be called at any time, and undo each other", () => {
  const { spawn } = childProcess.ChildProcess.prototype as unknown as { spawn: unknown };
  const { execFile } = childProcess;
  assert.equal(isOurs(), false);
  assert.equal(register(), true);
  assert.equal(register(), true);
  assert.equal(isOurs(), true);
  assert.notEqual(childProcess.execFile, execFile);
  assert.equal(namedExecFile, childProcess.execFile, "named imports follow");
  unregister();
  unregister();
  assert.equal(isOurs(), false);
  assert.equal(childProcess.execFile, execFile);
  assert.equal((childProcess.ChildProcess.prototype as unknown as { spawn: unknown }).spawn, spawn);
});

test("who has wrapped ours since is left in place by unregister, and gets Node's engine", async () => {
  const { stdout } = await runNode(
    `const { default: cp } = await import("node:child_process");
    const { unregister } = await import(${JSON.stringify(REGISTER)});
    const ours = cp.ChildProcess.prototype.spawn;
    let calls = 0;
    cp.ChildProcess.prototype.spawn = function (options) { calls++; return ours.call(this, options); };
    const tell = () => console.log(cp.spawn("true", { stdio: "ignore" }).brood !== undefined, calls);
    tell(); unregister(); tell();`,
    { nodeArgs: IMPORT },
  );
  assert.equal(stdout, "true 1\nfalse 2\n");
});

test("a process, its workers and its forks are registered by --import, and by NODE_OPTIONS", async () => {
  using files = new TemporaryFiles();
  const tell = files.write("tell.mjs", TELL);
  const starting = (name: string, start: string): string =>
    files.write(
      name,
      `import { Worker } from "node:worker_threads"; import { fork } from "node:child_process";
      ${start}(${JSON.stringify(tell)}).on("exit", () => console.log("over"));`,
    );
  const worker = starting("worker.mjs", "new Worker");
  const fork = starting("fork.mjs", "fork");
  const node = async (args: string[], env = {}): Promise<string> =>
    (
      await outcome(
        childProcess.spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...env } }),
      )
    ).stdout;
  for (const [file, said] of [
    [tell, "true\n"],
    [worker, "true\nover\n"],
    [fork, "true\nover\n"],
  ] as const) {
    assert.equal(await node([...IMPORT, file]), said);
    assert.equal(await node([file], { NODE_OPTIONS: IMPORT.join(" ") }), said);
  }
});

test("a registered process makes no handles of Node's own, and its children are async resources of the same name", async () => {
  for (const [nodeArgs, kind] of [
    [[], "Process"],
    [IMPORT, "AsyncResource"],
  ] as const) {
    const told = await inNode<unknown[]>(
      `import async_hooks from "node:async_hooks";
      import cp from "node:child_process";
      const resources = new Map();
      const told = [];
      const note = (what) => (id) => resources.has(id) && told.push(what);
      async_hooks.createHook({
        init(id, type, trigger, resource) {
          if (type !== "PROCESSWRAP") return;
          resources.set(id, resource);
          told.push(resource.constructor.name);
        },
        before: note("before"),
        after: note("after"),
        destroy(id) {
          if (!resources.has(id)) return;
          told.push("destroy");
          done(told);
        },
      }).enable();
      cp.spawn("true", { stdio: "ignore" });`,
      { nodeArgs: [...nodeArgs] },
    );
    assert.deepEqual(told, [kind, "before", "after", "destroy"]);
  }
});

test("BROOD_REGISTER=off leaves Node as it is, and NODE_DEBUG=brood says so", async () => {
  const off = await runNode(TELL, { nodeArgs: IMPORT, env: { BROOD_REGISTER: "off" } });
  assert.deepEqual([off.stdout, off.stderr], ["false\n", ""]);
  const told = await runNode(TELL, { nodeArgs: IMPORT, env: { BROOD_REGISTER: "off", NODE_DEBUG: "brood" } });
  assert.equal(told.stdout, "false\n");
  assert.match(told.stderr, /^BROOD \d+: Node's own child_process stays: BROOD_REGISTER is off\n$/);
});

const OTHER_NODES: Record<string, string> = {
  "no spawn()": "delete cp.ChildProcess.prototype.spawn;",
  "a spawn() that asks no handle": "cp.ChildProcess.prototype.spawn = function () { return 0; };",
  "other arguments": `cp.ChildProcess.prototype.spawn = function (options) {
      const handle = this._handle;
      this._handle = { ...handle, spawn: () => handle.spawn("x"), close() {} };
      return nodes.call(this, options);
    };`,
  "handles without a method": `cp.ChildProcess = function () { const child = new ChildProcess(); child._handle = { onexit() {} }; return child; };
    cp.ChildProcess.prototype = ChildProcess.prototype;`,
};

for (const [what, change] of Object.entries(OTHER_NODES)) {
  test(`a Node that is made otherwise keeps its engine: ${what}`, async () => {
    const { stdout, stderr } = await runNode(
      `import cp from "node:child_process";
      const { ChildProcess } = cp;
      const nodes = ChildProcess.prototype.spawn;
      ${change}
      const { register } = await import(${JSON.stringify(REGISTER)});
      console.log(register());
      const cp2 = await import(${JSON.stringify(import.meta.resolve("brood/child_process"))});
      cp.ChildProcess = ChildProcess; ChildProcess.prototype.spawn = nodes;
      cp2.spawn("echo", ["still"], { stdio: ["ignore", "inherit", "inherit"] });`,
      { env: { NODE_DEBUG: "brood" } },
    );
    assert.equal(stdout, "false\nstill\n");
    assert.match(stderr, /Node's own child_process stays: Node's ChildProcess is not as expected/);
  });
}

test("without a native part Node's engine stays", async () => {
  const env = { BROOD_NATIVE_PATH: "/nowhere/brood.node", NODE_DEBUG: "brood" };
  const { stdout, stderr } = await runNode(TELL, { nodeArgs: IMPORT, env });
  assert.equal(stdout, "false\n");
  assert.match(stderr, /cannot load brood's native part/);
});

test("added options make the child what they say", async () => {
  const report = await reportOf({
    groups: [7, 8],
    umask: 0o27,
    nice: 5,
    rlimits: { nofile: 64 },
    cpuAffinity: [0],
    oomScoreAdj: 500,
    noNewPrivs: true,
    parentDeathSignal: "SIGHUP",
    processGroup: "new",
    ignoreSignals: ["SIGUSR1"],
    blockSignals: ["SIGUSR2"],
    closeFds: true,
  });
  assert.deepEqual([report.groups, report.umask, report.nice, report.cpus], [["7", "8"], 0o27, 5, [0]]);
  assert.deepEqual([report.oomScoreAdj, report.noNewPrivs, report.parentDeathSignal], [500, ["1"], 1]);
  assert.deepEqual(report.rlimits["nofile"], ["64", "64"]);
  assert.deepEqual([report.pgid === report.pid, report.sid === report.pid], [true, false]);
  assert.deepEqual([signalsOf(report.ignored), signalsOf(report.blocked)], [[10], [12]]);
});

test("user, path, passFds and restoreSignals as well", async () => {
  using files = new TemporaryFiles();
  const [fd = -1] = files.open(1);
  const byName = await reportOf({ user: "nobody", passFds: [fd] });
  assert.deepEqual([byName.uids[0], fd in byName.fds], ["65534", true]);
  assert.throws(() => broods.spawn("true", { uid: 1, brood: { user: "nobody" } }), { code: "ERR_OPTION_CONFLICT" });
  assert.throws(() => broods.spawn("true", { detached: true, brood: { processGroup: "new" } }), {
    code: "ERR_OPTION_CONFLICT",
    message: /options\.detached and options\.brood\.processGroup/,
  });
  files.write("tool", "#!/bin/sh\necho $0\n", 0o755);
  const tool = broods.spawn("tool", { brood: { path: [files.directory] } });
  assert.equal((await outcome(tool)).stdout, `${files.path("tool")}\n`);
  const kept = await reportOf({ restoreSignals: false });
  assert.deepEqual(signalsOf(kept.ignored), [13, 25], "what Node ignores itself");
});

test("exec, execFile and fork hand the added options on", async () => {
  using files = new TemporaryFiles();
  const brood = { umask: 0o31 };
  assert.equal((await promisify(broods.exec)("umask", { brood })).stdout, "0031\n");
  assert.equal((await promisify(broods.execFile)("sh", ["-c", "umask"], { brood })).stdout, "0031\n");
  const module = files.write("tell.cjs", "process.send(process.umask());");
  const child = broods.fork(module, { brood });
  const [[umask]] = await Promise.all([once(child, "message"), once(child, "close")]);
  assert.equal(umask, 0o31);
  assert.equal(register(), true);
  try {
    assert.equal((await promisify(childProcess.execFile)("sh", ["-c", "umask"], { brood })).stdout, "0031\n");
    assert.equal((await promisify(childProcess.exec)("umask", { brood })).stdout, "0031\n");
  } finally {
    unregister();
  }
});

test("wrong added options are thrown under the name that was used, and nothing is created", () => {
  const thrown = (brood: object, expected: object) => assert.throws(() => broods.spawn("true", { brood }), expected);
  thrown({ umask: -1 }, { name: "RangeError", message: /^options\.brood\.umask must be/ });
  thrown({ cwd: "/" }, { code: "ERR_UNKNOWN_OPTION" });
  thrown({ cleanup: "no" }, { name: "TypeError", message: /^options\.brood\.cleanup must be a boolean/ });
  thrown({ foreground: true }, { code: "ERR_OPTION_CONFLICT" });
  thrown([], { code: "ERR_INVALID_ARG_TYPE" });
  thrown({ passFds: [1] }, { code: "ERR_INVALID_ARG_VALUE" });
  thrown(
    { controllingTerminal: true },
    { code: "ERR_OPTION_CONFLICT", message: /options\.brood\.controllingTerminal needs options\.detached/ },
  );
  thrown({ contain: "yes" }, { message: /^options\.brood\.contain must be/ });
  thrown({ descendants: "wait" }, { message: /^options\.brood\.descendants needs options\.brood\.contain/ });
  thrown({ contain: "group", cleanup: false }, { code: "ERR_OPTION_CONFLICT", message: /^options\.brood\.contain/ });
  thrown({ uidMap: [] }, { code: "ERR_OPTION_CONFLICT", message: /^options\.brood\.uidMap needs "user"/ });
  assert.ok(ADDED_OPTION_NAMES.length > 20);
});

test("child.brood has the states, the usage and the end of the child", async () => {
  const child = broods.spawn("sleep", ["30"], { stdio: "ignore", brood: { killSignal: "SIGINT" } });
  assert.ok(child.brood);
  assert.equal(Object.keys(child).includes("brood"), false);
  const ended = closed(child);
  child.kill("SIGSTOP");
  assert.deepEqual((await child.brood.wait({ stopped: true })).kind, "stopped");
  child.kill("SIGCONT");
  const exit = await child.brood.terminate();
  assert.deepEqual([exit.kind, exit.kind === "killed" && exit.signal], ["killed", "SIGINT"]);
  assert.ok((exit.usage?.maxRSS ?? 1) > 0);
  assert.deepEqual(await ended, { code: null, signal: "SIGINT" });
});

test("a real-time signal's end has a name", async () => {
  const child = broods.spawn("sh", ["-c", "kill -35 $$"], { stdio: "ignore" });
  assert.deepEqual(await closed(child), { code: null, signal: "SIGRTMIN+1" });
});

test("an end whose status is lost is told as neither a success nor a signal", async () => {
  const found = await inNode<unknown[]>(
    `import * as cp from ${JSON.stringify(import.meta.resolve("brood/child_process"))};
    self.ignoreSignal(17, 1);
    const child = cp.spawn("sh", ["-c", "exit 5"], { stdio: "ignore" });
    child.on("close", (...args) => done(args));`,
  );
  // Newer kernels know the status all the same.
  assert.ok([null, 5].includes(found[0] as number | null));
  assert.equal(found[1], null);
});

test("children outlive their parent unless they are to be cleaned up", async () => {
  const survivor = async (brood: string): Promise<boolean> => {
    const { stdout, code } = await runNode(`import * as cp from ${JSON.stringify(import.meta.resolve("brood/child_process"))};
      console.log(cp.spawn("sleep", ["30"], { stdio: "ignore", brood: ${brood} }).pid);
      process.exit();`);
    assert.equal(code, 0);
    const alive = !["Z", undefined].includes(processState(Number(stdout)));
    if (alive) process.kill(Number(stdout), "SIGKILL");
    return alive;
  };
  assert.equal(await survivor("{}"), true);
  assert.equal(await survivor("{ cleanup: true }"), false);
});

test("whoever holds a function of ours after unregister, or has put in a handle, gets our environment all the same", async () => {
  const { stdout } = await runNode(
    `const { default: cp } = await import("node:child_process");
    const { unregister } = await import(${JSON.stringify(REGISTER)});
    process.env.OWN = "own";
    const { ChildProcess, execFile, spawn: start } = cp;
    const said = () => new Promise((resolve) => execFile("sh", ["-c", "echo $OWN"], (error, out) => resolve(out.trim())));
    console.log(await said());
    const { spawn: before } = ChildProcess.prototype;
    ChildProcess.prototype.spawn = function (options) {
      const handle = this._handle;
      this._handle = { spawn: (...call) => { const pairs = (call[3] ?? call[0].envPairs); console.log(pairs.includes("OWN=own")); return -22; }, close() {}, onexit() {} };
      return before.call(this, options);
    };
    try { start("true"); } catch (error) { console.log(error.code); }
    ChildProcess.prototype.spawn = before;
    unregister();
    console.log(await said());`,
    { nodeArgs: IMPORT },
  );
  assert.equal(stdout, "own\ntrue\nEINVAL\nown\n");
});

test("a child that is given no environment gets ours, to the byte; another object in its place is meant", async () => {
  const { stdout, stderr } = await runNode(
    `import cp from "node:child_process";
    const said = (options) => new Promise((resolve) => cp.execFile("sh", ["-c", 'printf "%s $ADDED" "$BYTES" | od -An -tx1 -v; echo $ONLY'], options, (error, out) => resolve(out.trim())));
    process.env.ADDED = "A";
    console.log(await said({}));
    console.log(await said({ env: { BYTES: "b", PATH: process.env.PATH } }));
    process.env = { ONLY: "only", PATH: process.env.PATH };
    console.log(await said());`,
    { nodeArgs: IMPORT, wrapper: ["sh", "-c", `BYTES="$(printf '\\377')" exec "$@"`, "sh"] },
  );
  assert.equal(stderr, "");
  assert.equal(stdout, "ff 20 41\n62 20\n20\nonly\n");
});

test("what a call says about the environment and where its options stand is kept", async () => {
  const said = (child: childProcess.ChildProcess): Promise<string> => outcome(child).then(({ stdout }) => stdout);
  assert.equal(await said(broods.spawn("pwd", undefined, { cwd: "/" })), "/\n");
  assert.equal(await said(broods.exec("echo $0", { shell: "/bin/sh" })), "/bin/sh\n");
  assert.equal(await said(broods.execFile("echo", ["a"], undefined)), "a\n");
  const back = await new Promise<string>((resolve) => broods.execFile("echo", ["b"], (_, out) => resolve(out)));
  assert.equal(back, "b\n");
  const options = { cwd: "/" };
  await said(broods.spawn("pwd", [], options));
  assert.deepEqual(Object.keys(options), ["cwd"], "the caller's options are left alone");
});

/** Who wraps ChildProcess looks for PATH in what it is told, as nyc does, and adds it where there is none. */
const WRAPPER = `
  const { prototype } = cp.ChildProcess;
  const wrapped = prototype.spawn;
  prototype.spawn = function (options) {
    if (options.file !== "-") console.log(options.envPairs.filter((pair) => /^(OWN|PATH)=/.test(pair)).length);
    return wrapped.call(this, options);
  };`;

for (const [when, before, after] of [
  ["since", "", WRAPPER],
  ["before", WRAPPER, ""],
] as const) {
  test(`who has wrapped ChildProcess ${when} is told of our environment`, async () => {
    const { stdout, stderr } = await runNode(
      `import cp from "node:child_process";
      process.env.OWN = "own";
      ${before}
      const { register } = await import(${JSON.stringify(REGISTER)});
      const broods = await import(${JSON.stringify(import.meta.resolve("brood/child_process"))});
      ${after}
      const said = ({ execFile }) => new Promise((resolve) => execFile("sh", ["-c", "echo $OWN"], (error, out) => resolve(out.trim())));
      console.log(await said(cp));
      console.log(await said(broods));`,
    );
    assert.deepEqual([stdout, stderr], ["2\nown\n2\nown\n", ""]);
  });
}

test("who has wrapped the native part of spawnSync keeps it in use", async () => {
  const { stdout, stderr } = await runNode(
    `import cp from "node:child_process";
    const binding = process.binding("spawn_sync");
    const nodes = binding.spawn;
    binding.spawn = (options) => { console.log("wrapped", options.file); return nodes.call(binding, options); };
    const { register } = await import(${JSON.stringify(REGISTER)});
    console.log(register(), String(cp.execFileSync("echo", ["said"])).trim());`,
    { env: { NODE_DEBUG: "brood" } },
  );
  assert.equal(stdout, "wrapped echo\ntrue said\n");
  assert.match(stderr, /execFileSync stay Node's: .* somebody has wrapped it/);
});

test("subscribers of Node's tracing channel are told of our environment", async () => {
  const { stdout } = await runNode(
    `import cp from "node:child_process";
    import { tracingChannel } from "node:diagnostics_channel";
    process.env.OWN = "own";
    const told = [];
    tracingChannel("child_process.spawn").subscribe({ start: ({ options }) => told.push(options.envPairs.includes("OWN=own")) });
    cp.spawn("true", { stdio: "ignore" }).on("close", () => console.log(cp.ChildProcess.name, told.every(Boolean)));`,
    { nodeArgs: IMPORT },
  );
  assert.equal(stdout, "ChildProcess true\n");
});

test("warnings of deprecation may be off, or pending", async () => {
  const code = `const { default: cp } = await import("node:child_process");
    console.log(cp.spawnSync("/nonexistent").error.cause.stage, cp.spawn("true", { stdio: "ignore" }).brood !== undefined);`;
  for (const option of ["--no-deprecation", "--pending-deprecation"]) {
    const { stdout } = await runNode(code, { nodeArgs: [option, ...IMPORT] });
    assert.equal(stdout, "exec true\n", option);
  }
});

test("children that hold the event loop are among the active resources", async () => {
  const { stdout, stderr } = await runNode(
    `const { default: cp } = await import("node:child_process");
    const { register, unregister } = await import(${JSON.stringify(REGISTER)});
    unregister();
    const nodes = process.getActiveResourcesInfo;
    const said = [];
    // Node closes handles that it does not need at the end of a turn of the loop.
    const listed = async () => {
      for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
      said.push(process.getActiveResourcesInfo().filter((name) => name === "ProcessWrap").length);
    };
    const start = () => cp.spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
    const end = (child) => new Promise((resolve) => child.on("close", resolve).stdin.end());
    const byNode = start();
    await listed();
    await end(byNode);
    await listed();
    register();
    const children = [start(), start()];
    await listed();
    children[0].unref();
    await listed();
    children[0].ref();
    await listed();
    await Promise.all(children.map(end));
    await listed();
    unregister();
    console.log(said.join(), process.getActiveResourcesInfo === nodes);`,
  );
  assert.deepEqual([stdout, stderr], ["1,0,2,1,2,0 true\n", ""]);
});
