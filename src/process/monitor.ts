/**
 * Processes that were not spawned from here: children that something else in this process started are taken
 * over, any others' ends are seen. See docs/watching.md.
 */

import { readFileSync, readlinkSync } from "node:fs";
import { AbortError, invalidState, UnsupportedError, wrongType, wrongValue } from "../errors.js";
import { EBADF, EBUSY, ECHILD, EINVAL, ENOENT, ENOSYS, ESRCH, errnoWords, systemError } from "../kernel/errno.js";
import { type Monitor as KernelMonitor, monitor as kernelMonitor } from "../kernel/monitor.js";
import { refuseClones } from "../kernel/uncloneable.js";
import { checkInteger, checkNames } from "../program/validate.js";
import { Child } from "./child.js";
import { DRAIN_TO_THE_END, readLife, type SpawnOptions } from "./options.js";
import { WatchedProcess } from "./watched-process.js";

/**
 * Which process: its id, or a pidfd of yours, which stays yours. A pid is safe as long as whoever tells it knows that
 * the process has not been reaped; a pidfd always.
 */
export type ProcessLike = number | { pidfd: number };

const ADOPT_NAMES = ["signal", "timeout", "killSignal", "forceKillAfterDelay", "cleanup"] as const;

/** How an adopted child lives with us: as the options of these names of `spawn`. */
export type AdoptOptions = Pick<SpawnOptions, (typeof ADOPT_NAMES)[number]>;

/** A child that was adopted: it has no streams. */
export type AdoptedChild = Child<{ stdin: "ignore"; stdout: "ignore"; stderr: "ignore" }>;

const MOST_PID = 0x7fffffff;

/**
 * In the middle of its exec a process has no words yet, for microseconds; whoever has cloned it goes on before (vfork(2)).
 * One that has none for other reasons is not waited for long.
 */
const MOST_LOOKS = 20;
const PAUSE = new Int32Array(new SharedArrayBuffer(4));

let shared: Monitor | undefined;

/**
 * Watches processes that `spawn` did not start. All monitors of a JavaScript environment share one epoll set; one of your
 * own is a scope, that ends what was added and watched through it.
 */
export class Monitor {
  readonly #kernel: KernelMonitor;
  readonly #children = new Set<AdoptedChild>();
  readonly #watched = new Set<WatchedProcess>();
  #disposed = false;

  /** @throws UnsupportedError: not on this platform. Error of a system call: nothing can be watched. */
  constructor() {
    this.#kernel = kernelMonitor();
    refuseClones(this);
  }

  /** Gives this environment's own monitor, which nothing disposes of. */
  static get default(): Monitor {
    shared ??= new Monitor();
    return shared;
  }

  /**
   * Adopts a child of this process that something else started: a native library, another runtime in this process, or,
   * where orphans come to us (pid 1, subreaper), the parent that it had. It is a `Child` then, as if spawned from here,
   * but without streams: with waits, signals, `cleanup` and a scope. Whoever started it must not wait for it any more:
   * a child of `node:child_process`, or of brood in another thread, is only to be watched.
   *
   * @throws Error with code ESRCH: no such process; ECHILD: it is not our child; EBUSY: it is watched as a child
   * already; EBADF: that fd is no pidfd. TypeError, RangeError: the call is wrong. AbortError: `signal` has aborted
   * already. UnsupportedError: pidfd_open(2) is filtered. Nothing is watched then, and the process is not touched.
   */
  add(process: ProcessLike, options: AdoptOptions = {}): AdoptedChild {
    this.#checkOpen();
    const target = checkTarget(process);
    const life = readLife(checkNames(options, "options", ADOPT_NAMES) as AdoptOptions, DRAIN_TO_THE_END);
    if (life.signal?.aborted)
      throw new AbortError("the child was not adopted: the signal has aborted already", life.signal.reason);
    const { pid, pidfd } = this.#open(target, "adopt");
    const signal = life.cleanup ? life.killSignal : 0;
    const grace = life.forceKillAfterDelay === false ? -1 : life.forceKillAfterDelay;
    const index = this.#kernel.native.adoptChild(pidfd, pid, signal, grace, 0);
    if (index < 0) throw failed("adopt", `process ${pid}`, -index, "waitid");
    const [command = "", ...args] = commandOf(pid);
    const launched = { index, pid, pipes: [] };
    const child = new Child({
      launched,
      told: { command, args, cwd: undefined },
      life,
      data: undefined,
      containment: undefined,
    }) as AdoptedChild;
    this.#children.add(child);
    void child.closed.then(() => this.#children.delete(child));
    return child;
  }

  /**
   * Watches for the end of any process, without waiting for it: its parent gets its status as ever.
   *
   * @throws Error with code ESRCH: no such process, or one that has been reaped; EBADF: that fd is no pidfd. TypeError,
   * RangeError: the call is wrong. UnsupportedError: pidfd_open(2) is filtered.
   */
  watch(process: ProcessLike): WatchedProcess {
    this.#checkOpen();
    const { pid, pidfd } = this.#open(checkTarget(process), "watch");
    const index = this.#kernel.native.watchProcess(pidfd, pid);
    if (index < 0) throw failed("watch", `process ${pid}`, -index, "epoll_ctl");
    const watched = new WatchedProcess(this.#kernel, index, pid, (one) => this.#watched.delete(one));
    this.#watched.add(watched);
    return watched;
  }

  /** What was adopted through this monitor and has not ended. */
  get children(): readonly AdoptedChild[] {
    return [...this.#children];
  }

  /** What is watched through this monitor and has not ended. */
  get watched(): readonly WatchedProcess[] {
    return [...this.#watched];
  }

  /** Stops watching, and terminates what was adopted, each by its own options: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await Promise.all([...this.#children].map((child) => child[Symbol.asyncDispose]()));
  }

  /** Stops watching, and kills what was adopted by SIGKILL; it is reaped in the background: for `using`. */
  [Symbol.dispose](): void {
    this.#end();
    for (const child of [...this.#children]) child[Symbol.dispose]();
  }

  #end(): void {
    this.#disposed = this !== shared;
    for (const watched of [...this.#watched]) watched[Symbol.dispose]();
  }

  #checkOpen(): void {
    if (this.#disposed) throw invalidState("this monitor has been disposed of");
    if (this.#kernel.failure !== undefined) throw this.#kernel.failure;
  }

  /** A pidfd of our own. From here on the process is meant, not its number. */
  #open(target: Target, verb: string): { pid: number; pidfd: number } {
    const { native } = this.#kernel;
    if ("pid" in target) {
      const pidfd = native.pidfdOpen(target.pid);
      if (pidfd < 0) throw failed(verb, `process ${target.pid}`, -pidfd, "pidfd_open");
      return { pid: target.pid, pidfd };
    }
    const pid = native.pidfdProcess(target.pidfd);
    const pidfd = pid < 0 ? pid : native.pidfdCopy(target.pidfd);
    if (pidfd < 0) throw failed(verb, `the process of fd ${target.pidfd}`, -pidfd, "pidfd");
    return { pid, pidfd };
  }
}

type Target = { pid: number } | { pidfd: number };

function checkTarget(process: unknown): Target {
  if (typeof process === "number") return { pid: checkInteger(process, "process", 1, MOST_PID) };
  if (typeof process !== "object" || process === null) throw wrongType("process", "a pid or { pidfd }", process);
  const { pidfd } = checkNames(process, "process", ["pidfd"]) as { pidfd?: number };
  if (pidfd === undefined) throw wrongValue("process", process, "must be a pid or { pidfd }");
  return { pidfd: checkInteger(pidfd, "process.pidfd", 0, MOST_PID) };
}

const WORDS: Record<number, [errno: number, words: string]> = {
  [ESRCH]: [ESRCH, "there is no such process"],
  // The number of a thread.
  [EINVAL]: [ESRCH, "that is a thread, not a process"],
  [ENOENT]: [ESRCH, "that is a thread, not a process"],
  [ECHILD]: [ECHILD, "it is not a child of this process; watch() sees the end of any process"],
  [EBUSY]: [EBUSY, "it is watched as a child already"],
  [EBADF]: [EBADF, "it is not an open pidfd"],
};

function failed(verb: string, what: string, errno: number, syscall: string): Error {
  if (errno === ENOSYS) return new UnsupportedError(syscall, `cannot ${verb} ${what}: ${syscall} is missing or filtered here`);
  const [told, words] = WORDS[errno] ?? [errno, errnoWords(errno)];
  const error = systemError(told, syscall);
  error.message = `cannot ${verb} ${what}: ${words} (${error.code})`;
  return error;
}

/** The words of its command line. It is our child, and not reaped yet: its number is its own. */
function commandOf(pid: number): string[] {
  const read = (name: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${name}`, "utf8");
    } catch {
      return "";
    }
  };
  let line = read("cmdline");
  for (let i = 0; line === "" && i < MOST_LOOKS && executes(pid); i++) {
    Atomics.wait(PAUSE, 0, 0, 1);
    line = read("cmdline");
  }
  const words = line.replace(/\0$/, "");
  return words !== "" ? words.split("\0") : [`[${read("comm").trim()}]`];
}

/** Whether it has a program: no zombie has, and no thread of the kernel's. */
function executes(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) !== "";
  } catch {
    return false;
  }
}
