/**
 * Where Node's synchronous functions reach their native part: `internalBinding("spawn_sync").spawn`, which
 * `process.binding` gives, too. Whether it is there, and spoken to as we know it, is found by looking.
 */

import { lookedOnce, nodeChildProcess, type Patch, ShapeError } from "./node-internals.js";
import { type SyncRequest, type SyncResult, spawnSyncOnBrood } from "./sync-engine.js";

type NativeSpawn = (request: SyncRequest) => SyncResult;

/** On the function of ours that stands there, whichever copy of the package put it there. */
const MARK = Symbol.for("brood.register");

interface Binding {
  spawn: NativeSpawn;
}

const look = lookedOnce(lookAtNode);
/** What this copy of the package has put there. */
let ours: NativeSpawn | undefined;

/** Says why the synchronous functions stay on Node's engine; undefined: they need not. */
export function syncObstacle(): string | undefined {
  const found = look();
  return found instanceof Error ? found.message : undefined;
}

/** Whether nobody else sees what is handed to Node's native part. */
export function isSyncAlone(): boolean {
  const binding = look();
  return !(binding instanceof Error) && (binding.spawn === ours || isNative(binding.spawn));
}

/** Puts brood's engine under spawnSync, execSync and execFileSync; where it can't be done Node's stays. */
export function patchSync(): Patch {
  const binding = look();
  if (binding instanceof Error || MARK in binding.spawn) return { undo() {} };
  const nodes = binding.spawn;
  let active = true;
  const spawn = (request: SyncRequest): SyncResult => (active ? spawnSyncOnBrood : nodes)(request);
  Object.defineProperty(spawn, MARK, { value: true });
  binding.spawn = spawn;
  ours = spawn;
  return {
    undo() {
      // Who has wrapped ours since keeps it, without effect.
      active = false;
      if (binding.spawn === spawn) binding.spawn = nodes;
    },
  };
}

/** Calls a synchronous function of Node's, which spawns on brood's engine. */
export function syncOnBrood(call: () => unknown): unknown {
  const { undo } = patchSync();
  try {
    return call();
  } finally {
    undo();
  }
}

const REQUEST = {
  file: "-",
  args: ["-", "b"],
  cwd: "/",
  uid: 1,
  gid: 2,
  detached: true,
  timeout: 3,
  maxBuffer: 4,
  killSignal: 9,
};

/**
 * Has spawnSync call a function that notes down what it is told, and fails.
 *
 * @throws ShapeError: this Node does otherwise than we can follow.
 */
function lookAtNode(): Binding {
  const binding = bindingOf("spawn_sync");
  expect(typeof binding?.spawn === "function", "there is none");
  if (MARK in binding.spawn) return binding;
  expect(isNative(binding.spawn), "somebody has wrapped it");
  const nodes = binding.spawn;
  const calls: SyncRequest[] = [];
  const output = [null, Buffer.from("out"), null];
  const note: NativeSpawn = (request) => {
    calls.push(request);
    return { error: -1, status: null, signal: "SIGKILL", output, pid: 5 };
  };
  binding.spawn = note;
  let result: { error?: Error; stdout?: unknown; signal?: unknown } | undefined;
  try {
    expect((binding.spawn as unknown) === note, "it can't be replaced");
    const { file, args, ...options } = REQUEST;
    result = nodeChildProcess.spawnSync(file, args.slice(1), {
      ...options,
      env: { A: "1" },
      input: "in",
      stdio: ["pipe", "pipe", "inherit", "ignore"],
    });
  } finally {
    binding.spawn = nodes;
  }
  const [request] = calls;
  expect(request !== undefined && calls.length === 1, "spawnSync does not call it");
  for (const [name, value] of Object.entries(REQUEST)) {
    expect(JSON.stringify(request[name as keyof SyncRequest]) === JSON.stringify(value), `it is given no ${name}`);
  }
  expect(request.envPairs?.includes("A=1") === true, "it is given no envPairs");
  const [first, second, third, fourth] = request.stdio;
  expect(first?.type === "pipe" && first.readable === true && ArrayBuffer.isView(first.input), "its stdio is another");
  expect(second?.type === "pipe" && second.writable === true && !second.readable, "its stdio is another");
  expect(third?.type === "inherit" && third.fd === 2 && fourth?.type === "ignore", "its stdio is another");
  const { error, stdout, signal } = result;
  expect((error as NodeJS.ErrnoException | undefined)?.code === "EPERM", "its errors are others");
  expect(stdout === output[1] && signal === "SIGKILL", "its results are others");
  return binding;
}

function isNative(spawn: NativeSpawn): boolean {
  return Function.prototype.toString.call(spawn).includes("[native code]");
}

/** Its deprecation is about programs that depend on it. This one looks, and can do without. */
function bindingOf(name: string): Binding {
  const { binding } = process as unknown as { binding(name: string): Binding };
  const before = process.noDeprecation;
  // By --no-deprecation, which makes it read-only.
  if (before) return binding(name);
  process.noDeprecation = true;
  try {
    return binding(name);
  } finally {
    if (before === undefined) Reflect.deleteProperty(process, "noDeprecation");
    else process.noDeprecation = before;
  }
}

function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new ShapeError(`the native part of Node's spawnSync is not as expected: ${what}`);
}
