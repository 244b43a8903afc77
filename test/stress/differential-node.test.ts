/**
 * brood under Node's API against Node's own engine: random calls of node:child_process on each engine, and what came of them
 * compared. BROOD_CASES: how many cases (default 40); BROOD_SEED: the first (default 1).
 */

import assert from "node:assert/strict";
import type { ChildProcess, SpawnSyncReturns } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { register, unregister } from "brood/register";
import { act } from "../helpers/act.js";
import { childPath } from "../helpers/children.js";
import { ENGINES, type Engine, type NodeApi } from "../helpers/engines.js";
import { TemporaryFiles } from "../helpers/files.js";
import { takeStock } from "../helpers/leaks.js";
import { type Ground, resetFiles } from "./differential/cases.js";
import { difference } from "./differential/difference.js";
import { inParts } from "./differential/parts.js";
import { Random } from "./differential/random.js";
import { ofReport } from "./differential/ways.js";

type Options = Record<string, unknown>;
type Told = Record<string, unknown>;

interface Call {
  how: keyof typeof HOW;
  file: string;
  args: string[];
  options: Options;
  input: Buffer | undefined;
  /** The child's fd on which it reports. */
  reportFd: number | undefined;
  /** It is ended since it writes more than `maxBuffer`: how much of that arrives is chance. */
  overruns: boolean;
}

/** What Node tells of a child that wrote more than `maxBuffer` differs from run to run, on its own engine, too. */
const OF_CHANCE = ["data", "stdout", "stderr", "signalCode"];

const SIZES = [0, 1, 4095, 4096, 65535, 65536, 65537, 1 << 20];

/** The fields of an error that Node gives, and its words. */
function ofError(error: unknown): unknown {
  if (error === null || error === undefined) return error;
  const { name, message, code, errno, syscall, path, spawnargs, killed, signal, status, cmd, stdout, stderr, address } =
    error as Told;
  const output = { stdout: ofBytes(stdout), stderr: ofBytes(stderr) };
  return { name, message, code, errno, syscall, path, spawnargs, killed, signal, status, cmd, address, ...output };
}

function ofBytes(bytes: unknown): unknown {
  if (typeof bytes !== "string" && !(bytes instanceof Uint8Array)) return bytes;
  return `${typeof bytes} ${bytes.length} ${createHash("sha1").update(bytes).digest("hex")}`;
}

function ofOutput(bytes: unknown, fd: number, { reportFd }: Call): unknown {
  const reported = fd === reportFd && bytes !== null && bytes !== undefined && (bytes as Buffer).length > 0;
  return reported ? ofReport(String(bytes)) : ofBytes(bytes);
}

/** What a ChildProcess tells until its end. */
async function follow(child: ChildProcess, call: Call): Promise<Told> {
  const events: unknown[] = [];
  const data = new Map<number, Buffer[]>();
  const ended = new Promise<void>((resolve) => {
    child.on("spawn", () => events.push("spawn"));
    child.on("error", (error) => events.push(["error", ofError(error)]));
    child.on("exit", (...all) => events.push(["exit", ...all]));
    child.on("close", (...all) => {
      events.push(["close", ...all]);
      resolve();
    });
  });
  child.stdio.forEach((stream, fd) => {
    stream?.on("error", (error: NodeJS.ErrnoException) => {
      // Whether a write was under way when the child closed its end is chance.
      if (error.code !== "EPIPE" && error.code !== "ECONNRESET") events.push([fd, ofError(error)]);
    });
    if (stream === null || stream === undefined || !("on" in stream) || (fd === 0 && call.reportFd !== 0)) return;
    data.set(fd, []);
    stream.on("data", (chunk: Buffer) => data.get(fd)?.push(Buffer.from(chunk)));
  });
  if (call.input !== undefined) child.stdin?.end(call.input);
  else child.stdin?.end();
  // Those that are sockets from 3 up the child may hold open for writing to us; we have nothing to say.
  child.stdio.slice(3).forEach((stream) => {
    if (stream !== null && stream !== undefined && "end" in stream) stream.end();
  });
  await ended;
  const told = [...data].map(([fd, chunks]) => [fd, ofOutput(Buffer.concat(chunks), fd, call)]);
  const { exitCode, signalCode, killed, spawnfile, spawnargs, connected } = child;
  const kinds = child.stdio.map((stream) => (stream === null || stream === undefined ? stream : stream.constructor.name));
  return { events, data: Object.fromEntries(told), exitCode, signalCode, killed, spawnfile, spawnargs, connected, kinds };
}

function ofSync(result: SpawnSyncReturns<Buffer>, call: Call): Told {
  const { pid, status, signal, output, error } = result;
  const data = output?.map((bytes, fd) => ofOutput(bytes, fd, call));
  return { pid: pid > 0, status, signal, data, error: ofError(error), keys: Object.keys(result) };
}

function collect(start: (done: (...all: unknown[]) => void) => ChildProcess): Promise<Told> {
  return new Promise((resolve, reject) => {
    try {
      const child = start((error, stdout, stderr) => {
        const { exitCode, signalCode, killed, spawnargs } = child;
        resolve({
          error: ofError(error),
          stdout: ofBytes(stdout),
          stderr: ofBytes(stderr),
          exitCode,
          signalCode,
          killed,
          spawnargs,
        });
      });
      child.stdin?.on("error", () => {});
      child.stdin?.end();
    } catch (error) {
      reject(error);
    }
  });
}

/** The functions of Node's API, each giving what it tells. */
const HOW = {
  spawn: (cp: NodeApi, call: Call) => follow(cp.spawn(call.file, call.args, call.options), call),
  spawnSync: (cp: NodeApi, call: Call) =>
    ofSync(cp.spawnSync(call.file, call.args, { ...call.options, input: call.input }) as SpawnSyncReturns<Buffer>, call),
  execFile: (cp: NodeApi, call: Call) => collect((done) => cp.execFile(call.file, call.args, call.options, done)),
  exec: (cp: NodeApi, call: Call) => collect((done) => cp.exec([call.file, ...call.args].join(" "), call.options, done)),
  execFileSync: (cp: NodeApi, call: Call) => ({ stdout: ofBytes(cp.execFileSync(call.file, call.args, call.options)) }),
  execSync: (cp: NodeApi, call: Call) => ({ stdout: ofBytes(cp.execSync([call.file, ...call.args].join(" "), call.options)) }),
};

function executable(random: Random, ground: Ground, usual: string): string {
  if (random.chance(0.8)) return usual;
  const { directory } = ground;
  return random.pick([
    "no-such-command",
    "/no/such/file",
    `${directory}/files/a`,
    `${directory}/files/sub`,
    `${directory}/plain-script`,
    `${directory}/script-without-interpreter`,
    `${directory}/${"x".repeat(300)}`,
  ]);
}

function common(random: Random, ground: Ground): Options {
  const options: Options = {};
  if (random.chance(0.3))
    options["cwd"] = random.pick(["/", ground.directory, `${ground.directory}/files/a`, "/no/such/directory", "."]);
  if (random.chance(0.4))
    options["env"] = random.pick([
      {},
      { A: "1", PATH: "/usr/bin:/bin" },
      { B: "ünï", C: "", D: undefined },
      { ...process.env, X: "y".repeat(5000) },
    ]);
  if (random.chance(0.2)) options["uid"] = random.pick([0, 65534, 4242]);
  if (random.chance(0.2)) options["gid"] = random.pick([0, 65534, 77]);
  return options;
}

function reportCall(random: Random, ground: Ground): Call {
  const how = random.pick(["spawn", "spawn", "spawnSync"]);
  const reportFd = random.pick([1, 1, 2, 3, 4]);
  const stdio: unknown[] = [];
  for (let fd = 0; fd <= Math.max(reportFd, random.integer(2, 6)); fd++) {
    stdio.push(
      random.pick(["pipe", "pipe", "ignore", fd < 3 ? "ignore" : null, random.pick(ground.openFds), random.pick(ground.openFds)]),
    );
  }
  stdio[reportFd] = "pipe";
  const options: Options = { ...common(random, ground), stdio };
  if (random.chance(0.2)) options["detached"] = true;
  if (random.chance(0.2)) options["argv0"] = random.pick(["", "other", "ünï"]);
  const words = Array.from({ length: random.integer(0, 3) }, () => random.pick(["", "a b", "ünï", "'\"\\", "x".repeat(10_000)]));
  return {
    how,
    file: executable(random, ground, childPath("report")),
    args: [String(reportFd), ...words],
    options,
    input: undefined,
    reportFd,
    overruns: false,
  };
}

function dataCall(random: Random, ground: Ground): Call {
  const how = random.pick(["spawn", "spawnSync", "execFile", "exec", "execFileSync", "execSync"]);
  const file = executable(random, ground, act);
  // One that doesn't read it all makes spawnSync fail with EPIPE, or not: as it happens.
  const withInput = (how === "spawn" || how === "spawnSync") && file === act && random.chance(0.6);
  const input = withInput ? Buffer.alloc(random.pick(SIZES), "input ") : undefined;
  const args: string[] = [];
  if (input !== undefined) args.push("count", "0");
  // Node's own bound is 1 MiB, of what has been decoded; and what `count` says comes on top.
  const size = random.pick(how === "spawn" || (how === "spawnSync" && input === undefined) ? SIZES : SIZES.slice(0, 7));
  const shell = how === "exec" || how === "execSync";
  const maxBuffer = random.pick([1, 100, 4096, 65536, Infinity]);
  // Decoded it may be thrice as long.
  const bounded = how !== "spawn" && random.chance(0.4) && (size > maxBuffer ? !shell : size * 3 < maxBuffer);
  args.push("fill", bounded ? "1" : random.pick(["1", "1", "2"]), String(size));
  if (!bounded && size < 1 << 20 && random.chance(0.4))
    args.push("fill", random.pick(["1", "2"]), String(random.pick(SIZES.slice(0, 7))));
  const options = common(random, ground);
  if (bounded) options["maxBuffer"] = maxBuffer;
  if (how !== "spawn" && random.chance(0.5)) options["encoding"] = random.pick(["utf8", "buffer", "latin1", "hex", null]);
  if (how.endsWith("Sync")) options["stdio"] = ["pipe", "pipe", random.pick(["pipe", "ignore"])];
  // What is ended for its output must not have ended by itself meanwhile.
  const overruns = bounded && size > maxBuffer;
  const end = overruns ? "overrun" : random.pick(["exit", "exit", "raise", "pause", "nothing"]);
  if (overruns) args.push("pause");
  if (end === "exit") args.push("exit", String(random.pick([0, 1, 2, 77, 127, 255])));
  // Under a shell what a signal becomes is the shell's.
  if (end === "raise") args.push("raise", String(random.pick([1, 2, 9, 10, 13, 14, 15])));
  // A shell may wait for its command past the signal, and then Node does, too.
  if (end === "pause" && !shell && options["maxBuffer"] === undefined) {
    args.push("pause");
    options["timeout"] = 120;
    if (random.chance(0.4)) options["killSignal"] = random.pick(["SIGKILL", "SIGINT", 15]);
  }
  return { how, file, args, options, input, reportFd: undefined, overruns };
}

async function tell(call: Call, engine: Engine): Promise<Told> {
  if (engine === "register") assert.equal(register(), true);
  try {
    return await HOW[call.how](ENGINES[engine], call);
  } catch (error) {
    return { thrown: ofError(error) };
  } finally {
    if (engine === "register") unregister();
  }
}

inParts("brood's engine under Node's API tells what Node's own does", async (seeds) => {
  using files = new TemporaryFiles();
  writeFileSync(files.path("script-without-interpreter"), "#!/no/such/interpreter\n", { mode: 0o755 });
  writeFileSync(files.path("plain-script"), "echo plain\n", { mode: 0o755 });
  mkdirSync(files.path("files"));
  const directory = openSync(files.directory, "r");
  const ground: Ground = { directory: files.directory, openFds: [directory, ...files.open(3)] };
  const differences: string[] = [];
  try {
    for (const seed of seeds) {
      const random = new Random(seed);
      const call = random.chance(0.5) ? reportCall(random, ground) : dataCall(random, ground);
      let node: Told | undefined;
      for (const engine of ["node", "module", "register"] as const) {
        resetFiles(ground);
        const compare = takeStock();
        const told = await tell(call, engine);
        node ??= told;
        const found = difference(told, node, call.overruns ? OF_CHANCE : []);
        await compare().catch((error: Error) => found.push(error.message));
        if (found.length > 0) differences.push(`seed ${seed}, ${call.how}, ${engine}: ${found.join("; ")}`);
      }
    }
  } finally {
    closeSync(directory);
  }
  assert.deepEqual(differences, []);
});
