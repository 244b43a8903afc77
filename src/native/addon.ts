/**
 * The addon: what it exports, and where it is found. Every function returns a number >= 0 or a
 * negated errno, unless said otherwise; `native/exports_*.c` are the other side.
 */

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { outOfRange, UnsupportedError } from "../errors.js";

/** Where the clone ladder starts, in the order of `enum launch_rung`. */
export const RUNGS = ["clone3", "clone", "vfork", "fork"] as const;
/** Where the ladder of closing fds starts, in the order of `enum program_close_rung`. */
export const CLOSE_RUNGS = ["close_range", "getdents", "brute"] as const;

export interface Addon {
  /** Starts the environment's monitor; `onEvents(count)` is called once per wake-up. */
  start(events: Float64Array, onEvents: (count: number) => void): number;
  configure(rung: number, closeRung: number): number;
  /** Gives the name of the clone rung in use. */
  probe(): string;
  /** Gives the names of all operations in the order of their codes. */
  operations(): string[];
  validate(program: Uint8Array): boolean;
  /** Gives an `enum launch_failure`; `flags` and `out` are described in exports_launch.c. */
  launch(
    program: Uint8Array,
    inputs: Int32Array,
    flags: number,
    cleanupSignal: number,
    out: Int32Array,
    cleanupGrace: number,
  ): number;
  /** As launch(); the child is this thread's to wait for. `feed`: the input that is written to, -1: none. */
  syncLaunch(program: Uint8Array, inputs: Int32Array, flags: number, feed: number, out: Int32Array): number;
  /** Moves bytes until something is to be decided: bits of `enum sync_run_state` of native/sync_run.h. */
  syncWait(ms: number, most: number, input: Uint8Array | undefined, record: Float64Array): number;
  /** Gives what was read since the last time; 0: nothing; an errno where there is no memory for it. */
  syncTake(pipe: number): Buffer | number;
  syncIsOpen(pipe: number): number;
  syncFarInode(pipe: number): number;
  syncClose(pipe: number): number;
  syncSignal(signal: number): number;
  syncEnd(): number;
  /**
   * As `launch`, contained. `how`: the fd of a cgroup's directory or -1, flags of namespaces, whether setgroups is denied;
   * `texts`: the keeper's path and role, uid map and gid map, each ended by a NUL. With a keeper the pipes in `out` are
   * followed by its index, that of its socket, and its pid.
   */
  launchContained(
    program: Uint8Array,
    inputs: Int32Array,
    flags: number,
    cleanupSignal: number,
    out: Int32Array,
    cleanupGrace: number,
    how: Int32Array,
    texts: Uint8Array,
  ): number;
  /** A keeper has told that its child has ended. */
  keptEnded(index: number): number;
  /** Signals a process that was started at that time (clock ticks): 1 sent, 0 it is gone. */
  signalStarted(pid: number, started: number, signal: number): number;
  /** Clock ticks in a second. */
  clockTicks(): number;
  /** Gives the index of an entry that has events when the kernel changes that file. */
  watchFile(path: string): number;
  arm(index: number): number;
  remove(index: number): number;
  /**
   * Gives when bytes last came or went, in milliseconds of the monotonic clock, 0: none did. Of one that is kept natively: now, if
   * some wait to be read.
   */
  movedAt(index: number): number;
  /** Reads, and reads on as long as each read(2) brings at least `much` and there is room. */
  read(index: number, bytes: Uint8Array, offset: number, length: number, much: number): number;
  write(index: number, bytes: Uint8Array, offset: number, length: number): number;
  /** Writes of these chunks what it takes, from the offset in the first of them on: there must be a byte left. */
  writev(index: number, chunks: readonly Uint8Array[], first: number, offset: number): number;
  /** What comes from a pipe is kept natively from now on; of its end an EVENT.captured tells. */
  capture(index: number): number;
  /** Keeps what is there at this moment. 1: that was the end, 0: the pipe is open. */
  captureRest(index: number): number;
  /**
   * Gives what was kept, once: (1) as text, (0) as bytes. A number: it can't be made; what was to be text is still there to
   * be had as bytes.
   */
  captureTake(index: number, text: number): string | Buffer | number;
  shutdownWrite(index: number): number;
  /** Makes a pipe, or a socket that we write to, hold that many bytes. */
  grow(index: number, size: number): number;
  /** Gives how many bytes a read would give now. */
  available(index: number): number;
  /** Gives how far from the start of a cache line of 64 bytes they begin. */
  unaligned(bytes: Uint8Array): number;
  /** Has malloc(3) keep so many freed bytes, where nobody has said otherwise. */
  keepFreed(bytes: number): number;
  /** Gives the inode of the other end. */
  farInode(index: number): number;
  /** `ends`: 1: it is what the child would get at clean-up, whose grace runs from now. */
  signal(index: number, signal: number, ends: number): number;
  signalGroup(index: number, signal: number): number;
  watchStops(index: number): number;
  /** Ends the children that are to end with this environment; the main thread blocks for at most their longest grace. */
  cleanup(): number;
  /**
   * Takes part in the end of the process by a signal: gives the index of an entry that has an event when this environment
   * is asked to end its children, or when one that it has asked answers. -EEXIST: it does already.
   */
  endingJoin(): number;
  /** Asks all other environments that take part; (1) to kill. Gives how many there are. */
  endingAsk(kill: number): number;
  /** Gives what this environment is asked: the number of the question times two, plus 1 if it is to kill; 0: nothing new. */
  endingTake(): number;
  endingAnswer(question: number): number;
  /** Gives how many have yet to answer: of all, or (1) of those that have heard. */
  endingLeft(heard: number): number;
  /** Blocks until the children of environments that have ended meanwhile have ended, or been killed when their time was over. */
  awaitOrphans(): number;
  ref(): number;
  unref(): number;
  /** Makes a pipe entry into the link to a spawn host, or (1) an embryo. */
  hostOpen(index: number, process: number): number;
  /** Sends a request; gives 0 or an `enum launch_failure`. `out` before and after: see exports_host.c. */
  hostSend(index: number, type: number, id: number, program: Uint8Array | null, inputs: Int32Array, out: Int32Array): number;
  /** Reads an answer (1), a state (2) or nothing (0): see exports_host_answer.c. */
  hostReceive(index: number, out: Int32Array, record: Float64Array): number;
  hostFlush(index: number): number;
  /** Reads a note of a keeper (1), or nothing (0): see exports_kept.c. */
  keptHear(socket: number, out: Int32Array, record: Float64Array): number;
  /** Tells a keeper one of `enum keeper_order`. */
  keptOrder(socket: number, order: number): number;
  /** Writes the id maps that a host's child asks for: 0 it has not asked yet, 1 done. `texts`: each ended by a NUL. */
  answerIdMaps(socket: number, texts: Uint8Array, denySetgroups: number): number;
  /** An embryo has exec'ed: it is a child as any from now on, with that clean-up. */
  becomeChild(index: number, signal: number, grace: number): number;
  isOpen(fd: number): number;
  /** 1: it was loaded by the main thread. */
  isMainThread(): number;
  /** Fills in our umask and the set of signals that we ignore, two words of 32. */
  ownStatus(status: Int32Array): number;
  /** Gives [uid, gid, groups...], or -1: no such account, or an errno. */
  account(nameOrUid: string | number): number[] | number;
  /** Gives the process's own environment block, each entry ended by a NUL. */
  environment(): Buffer;
  /** Gives a copy of a pidfd, the caller's. */
  pidfdCopy(pidfd: number): number;
  /** Gives the number of the process behind a pidfd. -ESRCH: it has been reaped. */
  pidfdProcess(pidfd: number): number;
  /**
   * Gives the index of a child of this process that something else started. Takes over the pidfd, also on failure.
   * `ends` 1: one that can't be watched is killed and reaped; 0: it is left alone. -ECHILD: it is not ours. -EBUSY:
   * it is watched already.
   */
  adoptChild(pidfd: number, pid: number, cleanupSignal: number, cleanupGrace: number, ends: number): number;
  /** Gives the index of any process, whose end is then told. Takes over the pidfd, also on failure. */
  watchProcess(pidfd: number, pid: number): number;
  /** As `signal`, for a process that is watched. */
  signalProcess(index: number, signal: number): number;
  /** Gives the foreground process group of the controlling terminal on that fd. */
  terminalGroup(fd: number): number;
  setTerminalGroup(fd: number, group: number): number;
  /** Fills in the terminal's modes, and gives their size. */
  terminalModes(fd: number, modes: Uint8Array): number;
  setTerminalModes(fd: number, modes: Uint8Array): number;
  /** Gives the process group of a process, 0: this one. */
  groupOf(pid: number): number;
  sessionOf(pid: number): number;
  /** Has the senders of a signal counted, which must have a handler already. */
  traceSignal(signal: number): number;
  /** Takes one off that count: 1 the kernel's, 2 a process's, 0 none is left. */
  takeSender(signal: number): number;
  /** Whether orphans come to this process: it is pid 1, or a subreaper. */
  isReaper(): number;
  /** Reaps children that have ended and are none of this environment's; gives their number. */
  reapStrangers(): number;
  /** Makes a pipe: `out` gets the reading and the writing end. */
  pipe(out: Int32Array): number;
  socketpair(type: number, out: Int32Array): number;
  pidfdOpen(pid: number): number;
  pidfdSendSignal(pidfd: number, signal: number, flags: number): number;
  kill(pid: number, signal: number): number;
  /** Gives the pid whose state the event record tells, 0 if there is none yet. */
  waitid(type: number, id: number, options: number, record: Float64Array): number;
  closeFd(fd: number): number;
  /** Makes a pseudo-terminal: `out` gets the master and the slave. */
  openpty(out: Int32Array): number;
  setWindowSize(fd: number, columns: number, rows: number): number;
  /** Fails later system calls of that name. Test builds only. */
  injectFault(call: string, skip: number, count: number, errno: number): number;
}

/** Gives the path of the keeper's program. It need not exist. */
export function keeperPath(): string {
  const program = `../../prebuilds/linux-${process.arch}/brood-keeper`;
  return process.env["BROOD_KEEPER_PATH"] || fileURLToPath(new URL(program, import.meta.url));
}

let loaded: Addon | undefined;

/** Gives the path of the spawn host's program, a file that travels beside the addon. */
export function hostPath(): string {
  const path = process.env["BROOD_HOST_PATH"];
  if (path !== undefined && path !== "") return path;
  return fileURLToPath(new URL(`../../prebuilds/linux-${process.arch}/brood-host`, import.meta.url));
}

/**
 * Gives the addon, loading it on first use: importing brood must work everywhere.
 *
 * @throws UnsupportedError where it can't work. Error ERR_ACCESS_DENIED under Node's permission model
 * without `--allow-child-process`.
 */
export function addon(): Addon {
  if (loaded !== undefined) return loaded;
  checkPermission();
  loaded = load();
  loaded.configure(ladder("BROOD_CLONE", RUNGS, -1), ladder("BROOD_CLOSE", CLOSE_RUNGS, 0));
  return loaded;
}

/** Gives a module of Node's own, which is loaded only now: a static import would be loaded before any of our code runs. */
export function builtin(name: string): unknown {
  return createRequire(import.meta.url)(name);
}

/** Node's permission model, which is there from the start of the process or never. */
const { permission } = process as { permission?: { has(scope: string): boolean } };

/** Whether Node was started with a flag that takes no value, by its command line or NODE_OPTIONS. The last one counts. */
function startedWith(flag: string): boolean {
  const words = [...(process.env["NODE_OPTIONS"] ?? "").split(/[\s"]+/), ...process.execArgv];
  const plain = words.map((word) => word.replaceAll("_", "-").replace(/=.*/, ""));
  return plain.lastIndexOf(`--${flag}`) > plain.lastIndexOf(`--no-${flag}`);
}

/**
 * Whether Node only tells its diagnostics channels of what is not allowed (`--permission-audit`, Node 24). The model itself
 * does not say so: its flags do. `--permission` goes before it, as Node documents.
 */
const AUDITS = permission !== undefined && startedWith("permission-audit") && !startedWith("permission");

/** Throws where Node's permission model forbids children. It may be dropped at run time, so each spawn asks. */
export function checkPermission(): void {
  // Asked in any case: has() is what tells the diagnostics channels.
  if (permission === undefined || permission.has("child") || AUDITS) return;
  throw Object.assign(new Error("Access to this API has been restricted: brood needs --allow-child-process"), {
    code: "ERR_ACCESS_DENIED",
    permission: "ChildProcess",
  });
}

function ladder(variable: string, rungs: readonly string[], otherwise: number): number {
  const wanted = process.env[variable];
  if (wanted === undefined || wanted === "") return otherwise;
  const rung = rungs.indexOf(wanted);
  if (rung < 0) throw outOfRange(variable, `one of ${rungs.join(", ")}`, wanted);
  return rung;
}

function load(): Addon {
  const require = createRequire(import.meta.url);
  if (process.platform !== "linux") {
    throw new UnsupportedError("platform", `brood works on Linux, this is ${process.platform}`);
  }
  if (process.versions["bun"] !== undefined || process.versions["deno"] !== undefined) {
    throw new UnsupportedError("runtime", "brood works on Node.js; Bun and Deno are not supported yet");
  }
  try {
    const path = process.env["BROOD_NATIVE_PATH"];
    if (path !== undefined && path !== "") return require(path) as Addon;
    // Literal paths, so that bundlers see the files.
    if (process.arch === "x64") return require("../../prebuilds/linux-x64/brood.node") as Addon;
    if (process.arch === "arm64") return require("../../prebuilds/linux-arm64/brood.node") as Addon;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const how = permission !== undefined && !permission.has("addon") ? " (--allow-addons allows it)" : "";
    throw new UnsupportedError("addon", `cannot load brood's native part: ${why}${how}`, { cause: error });
  }
  throw new UnsupportedError("platform", `brood has no native part for ${process.arch}`);
}
