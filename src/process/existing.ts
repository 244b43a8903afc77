/**
 * A process that exists already, and was not spawned from here: found by what the caller tells of it, and adopted or watched.
 */

import { readFileSync, readlinkSync } from "node:fs";
import { AbortError, UnsupportedError, wrongType, wrongValue } from "../errors.js";
import { EBADF, EBUSY, ECHILD, EINVAL, ENOENT, ENOSYS, ESRCH, errnoWords, systemError } from "../kernel/errno.js";
import type { Monitor } from "../kernel/monitor.js";
import { checkInteger, checkNames } from "../program/validate.js";
import { Child } from "./child.js";
import { DRAIN_TO_THE_END, readLife, type SpawnOptions } from "./options.js";
import { WatchedProcess } from "./watched-process.js";

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

/** Blocks the thread for a millisecond. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

/** Makes a child of one that something else in this process has started. */
export function adopt(monitor: Monitor, process: unknown, options: AdoptOptions): AdoptedChild {
  const target = checkTarget(process);
  const life = readLife(checkNames(options, "options", ADOPT_NAMES) as AdoptOptions, DRAIN_TO_THE_END);
  if (life.signal?.aborted) throw new AbortError("the child was not adopted: the signal has aborted already", life.signal.reason);
  const { pid, pidfd } = open(monitor, target, "adopt");
  const signal = life.cleanup ? life.killSignal : 0;
  const grace = life.forceKillAfterDelay === false ? -1 : life.forceKillAfterDelay;
  const index = monitor.native.adoptChild(pidfd, pid, signal, grace, 0);
  if (index < 0) throw failed("adopt", `process ${pid}`, -index, "waitid");
  const [command = "", ...args] = commandOf(pid);
  const launched = { index, pid, pipes: [] };
  const told = { command, args, cwd: undefined };
  return new Child({ launched, told, life, data: undefined, containment: undefined }) as AdoptedChild;
}

/** Watches for the end of any process. */
export function watch(monitor: Monitor, process: unknown, onOver: (watched: WatchedProcess) => void): WatchedProcess {
  const { pid, pidfd } = open(monitor, checkTarget(process), "watch");
  const index = monitor.native.watchProcess(pidfd, pid);
  if (index < 0) throw failed("watch", `process ${pid}`, -index, "epoll_ctl");
  return new WatchedProcess(monitor, index, pid, onOver);
}

type Target = { pid: number } | { pidfd: number };

/** A pidfd of our own. From here on the process is meant, not its number. */
function open({ native }: Monitor, target: Target, verb: string): { pid: number; pidfd: number } {
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
    pause();
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
