/**
 * The ways to start a command, each giving what came of it in the same words.
 */

import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import {
  type ExitState,
  type RunOptions,
  type RunResult,
  type RunSyncOptions,
  run,
  runSync,
  type SpawnOptions,
  type StdioEntry,
  spawn,
} from "brood";
import { spawnAsync } from "brood/host";
import { cloexecPipe, close, type ForkExecEntry, type ForkExecOptions, forkExec, socketpair, waitid } from "brood/posix";
import { spawnProcess } from "brood/protocol";
import { Recorder } from "../../helpers/recorder.js";
import { parseReport, type Report } from "../../helpers/report.js";
import type { Case } from "./cases.js";

/** What came of a command: plain values, to be compared. */
export type Came = Record<string, unknown>;

type Data = Record<number, Uint8Array>;

export type Way = (one: Case) => Promise<Came> | Came;

function message(text: string): string {
  return text.replaceAll(/options\.\w+(\[\d+\])?/g, "options.X");
}

/** What an error says. Fields that are left out are undefined in all ways. */
export function ofError(error: unknown): Came {
  const { name, code, stage, errno, path, fd, candidates, reason, exit } = error as Record<string, unknown>;
  return {
    error: {
      name,
      code,
      stage,
      errno,
      path,
      fd,
      candidates,
      reason,
      exit: ofExit(exit as ExitState),
      message: message((error as Error).message),
    },
  };
}

function ofExit(exit: ExitState | undefined): unknown {
  if (exit === undefined || exit === null) return exit;
  const { kind } = exit;
  if (kind === "exited") return [kind, exit.code];
  return kind === "killed" ? [kind, exit.signal, exit.coreDumped] : [kind];
}

/** A report without what differs from child to child: fds that are the same file are told as such. */
export function ofReport(text: string): unknown {
  const { pid, ppid, pgid, sid, fds, environ, ...rest }: Report = parseReport(text);
  const first = new Map<string, string>();
  const told: Record<string, unknown> = {};
  for (const fd of Object.keys(fds).sort((a, b) => Number(a) - Number(b))) {
    const { link, file, kind, rdev: _, ...flags } = fds[Number(fd)] as Report["fds"][number];
    if (!first.has(file)) first.set(file, fd);
    told[fd] = { ...flags, kind, same: first.get(file), link: kind === "pipe" || kind === "socket" ? kind : link };
  }
  return {
    ...rest,
    environ: [...environ].sort(),
    fds: told,
    leadsGroup: pgid === pid,
    leadsSession: sid === pid,
    ppid: ppid !== 0,
  };
}

function ofData(data: Data, one: Case): Came {
  const told: Came = {};
  for (const [fd, bytes] of Object.entries(data)) {
    if (Number(fd) === one.reportFd && bytes.length > 0) told[fd] = ofReport(Buffer.from(bytes).toString());
    else told[fd] = `${bytes.length} ${createHash("sha1").update(bytes).digest("hex")}`;
  }
  return told;
}

function ofResult(result: RunResult<{ encoding: "buffer" }>, one: Case): Came {
  const { stdout, stderr, fds, exit, reason, drained, heldBy, omitted } = result;
  const data: Data = { ...(fds as Data) };
  if (stdout !== null) data[1] = stdout as Uint8Array;
  if (stderr !== null) data[2] = stderr as Uint8Array;
  const holders = heldBy.map(({ fds }) => fds.join());
  return { data: ofData(data, one), exit: ofExit(exit), reason, drained, holders, omitted };
}

const full = (one: Case): RunOptions & { encoding: "buffer" } => ({
  ...one.options,
  ...(one.input === undefined ? {} : { input: one.input }),
  encoding: "buffer",
});

type Result = RunResult<{ encoding: "buffer" }>;

const viaSpawn =
  (more: SpawnOptions = {}): Way =>
  async (one) => {
    const child = spawn(one.file, one.args, { ...one.options, ...more });
    if (one.input !== undefined) child.stdin?.end(one.input);
    return ofResult((await child.output({ encoding: "buffer" })) as Result, one);
  };

const viaSpawnAsync: Way = async (one) => {
  const child = await spawnAsync(one.file, one.args, one.options);
  if (one.input !== undefined) child.stdin?.end(one.input);
  return ofResult((await child.output({ encoding: "buffer" })) as Result, one);
};

/** Compares what is told by an exception as well: it holds what a result does. */
const viaRun =
  (more: SpawnOptions = {}): Way =>
  async (one) =>
    ofResult((await run(one.file, one.args, { ...full(one), ...more, reject: false })) as Result, one);

const viaRunSync: Way = (one) =>
  ofResult(runSync(one.file, one.args, { ...(full(one) as RunSyncOptions), reject: false }) as unknown as Result, one);

/** Whether that fd, a pipe or socket of the child's, gives us output. */
function weRead({ options, input }: Case, fd: number): boolean {
  const entry = options.fds?.[fd] ?? (fd === 0 ? (options.stdin ?? "pipe") : undefined);
  if (typeof entry === "object" && "pipe" in entry) return entry.pipe === "r";
  return fd !== 0 || (input === undefined && entry === "socket");
}

const viaProtocol: Way = async (one) => {
  const { maxOutput: _, ...options } = one.options;
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, one.file, one.args, options);
  if (one.input !== undefined) {
    transport.write(one.input);
    transport.closeStdin();
  }
  await recorder.ended;
  const data: Data = {};
  for (const fd of recorder.errors.keys()) if (weRead(one, fd)) data[fd] = recorder.bytes(fd);
  const { reason, drained, heldBy } = transport.child;
  return { data: ofData(data, one), exit: ofExit(recorder.state), reason, drained, holders: heldBy.map(({ fds }) => fds.join()) };
};

/** forkExec has no pipes of its own: it is given ours. Only for children that write less than a pipe holds. */
const viaForkExec: Way = (one) => {
  const ours: number[] = [];
  const theirs: number[] = [];
  const read = new Map<number, number>();
  const fds: Record<number, ForkExecEntry> = {};
  const give = (target: number, entry: StdioEntry): void => {
    const kind = typeof entry === "object" && "pipe" in entry ? entry.pipe : entry;
    if (kind === "socket") {
      const [a, b] = socketpair();
      ours.push(a);
      theirs.push(b);
      fds[target] = b;
      read.set(target, -1);
    } else if (kind === "pipe" || kind === "r" || kind === "w") {
      const [readEnd, writeEnd] = cloexecPipe();
      const weWrite = kind === "w" || (kind === "pipe" && target === 0);
      ours.push(weWrite ? writeEnd : readEnd);
      theirs.push(weWrite ? readEnd : writeEnd);
      fds[target] = weWrite ? readEnd : writeEnd;
      if (!weWrite) read.set(target, readEnd);
    } else fds[target] = entry as ForkExecEntry;
  };
  const { argv0, extendEnv, path: _, stdio: __, passFds, stdin, stdout, stderr, fds: map, env, ...rest } = one.options;
  const { maxOutput: ___, drain: ____, ...options } = rest;
  try {
    for (const [fd, entry] of Object.entries({ 0: "pipe" as const, 1: "pipe" as const, 2: "pipe" as const, ...map }))
      give(Number(fd), entry as StdioEntry);
    let child: ReturnType<typeof forkExec>;
    const whole: (readonly [string | Uint8Array, string | Uint8Array | undefined])[] = [];
    if (extendEnv !== false) whole.push(...Object.entries(process.env));
    if (env !== undefined) whole.push(...(Symbol.iterator in env ? env : Object.entries(env)));
    const given: ForkExecOptions = {
      ...(options as ForkExecOptions),
      fds,
      fdsToKeep: passFds ?? [],
      ...(env === undefined ? {} : { env: whole }),
    };
    try {
      child = forkExec([argv0 ?? one.file, ...one.args], [one.file], given);
    } finally {
      for (const fd of theirs) close(fd);
    }
    const data: Data = {};
    for (const [target, fd] of read) data[target] = fd === -1 ? new Uint8Array() : readToEnd(fd);
    const state = waitid("P_PIDFD", child.pidfd) as ExitState;
    close(child.pidfd);
    return { data: ofData(data, one), exit: ofExit(state) };
  } finally {
    for (const fd of ours) close(fd);
  }
};

function readToEnd(fd: number): Buffer {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.alloc(65536);
    const n = readSync(fd, chunk);
    if (n === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, n));
  }
}

/** Whether forkExec can make such a case. */
const plain = ({ reportFd }: Case): boolean => reportFd !== undefined;

interface Named {
  name: string;
  start: Way;
  /** Whether it can start this case. */
  takes: (one: Case) => boolean;
  /** What it has otherwise by design. */
  without: readonly string[];
}

const any = (): boolean => true;
const contained =
  (means: string) =>
  ({ holders, options }: Case): boolean =>
    !holders && !((means === "group" || means === "namespace") && typeof options.processGroup === "number");

/** All ways. The first is what others are compared with. */
export const WAYS: readonly Named[] = [
  { name: "spawn", start: viaSpawn(), takes: any, without: [] },
  { name: "spawnAsync", start: viaSpawnAsync, takes: any, without: [] },
  { name: "run", start: viaRun(), takes: any, without: [] },
  { name: "runSync", start: viaRunSync, takes: any, without: [] },
  { name: "protocol", start: viaProtocol, takes: ({ options }) => options.maxOutput === undefined, without: ["omitted"] },
  { name: "forkExec", start: viaForkExec, takes: plain, without: ["omitted", "reason", "drained", "holders"] },
  ...(["group", "cgroup", "keeper", "namespace"] as const).map((means) => ({
    name: `contain ${means}`,
    start: viaSpawn({ contain: means }),
    takes: contained(means),
    without: means === "group" ? ["leadsGroup"] : [],
  })),
];
