/**
 * What is used of Node's own child_process beyond its documentation: `ChildProcess` keeps its engine in `_handle`,
 * and asks it for everything that needs the kernel. Whether it does so in this Node is found by looking.
 */

import type childProcess from "node:child_process";
import { addon, builtin } from "../native/addon.js";

/** The engine of one ChildProcess, as Node's JavaScript uses it. Results are 0 or a negated errno. */
export interface Handle {
  /** Set by Node: to be called with the exit code and the name of the signal, once; with a negated errno, if spawn failed. */
  onexit?: (code: number | null, signal: string) => void;
  /** Node takes it over when spawn has returned. */
  pid?: number | undefined;
  spawn(...received: unknown[]): number;
  kill(signal: number): number;
  close(callback?: () => void): void;
  ref(): void;
  unref(): void;
  hasRef(): boolean;
}

/** A ChildProcess with what Node doesn't document of it. */
export interface NodeChild extends childProcess.ChildProcess {
  _handle: Handle | null;
  spawn(options: unknown): number;
}

/** Our end of a pipe that Node has made a stream's handle for, which is to be given its fd. */
export interface PipeHandle {
  open(fd: number): number | undefined;
  close(): void;
  readonly fd?: number;
}

/** What one of the child's fds is to be. */
export interface StdioItem {
  type: "ignore" | "pipe" | "overlapped" | "inherit" | "fd" | "wrap";
  handle?: PipeHandle;
  fd?: number;
}

/** A call of `_handle.spawn`. */
export interface SpawnRequest {
  file: string;
  args: string[] | undefined;
  cwd: string | null | undefined;
  /** "NAME=value"; undefined: the environment of this process. */
  envPairs: string[] | undefined;
  stdio: StdioItem[];
  detached: boolean;
  uid: number | null | undefined;
  gid: number | null | undefined;
}

/** In which form this Node calls `_handle.spawn`. */
export type Form = { kind: "options" } | { kind: "positional"; detachedFlag: number };

/** How this Node's ChildProcess is made. */
export interface NodeShape {
  form: Form;
  /** The class of its own handles. */
  Process: unknown;
  /** Its own spawn(); undefined: somebody has wrapped it. */
  spawn: NodeChild["spawn"] | undefined;
}

type NodeApi = Omit<typeof childProcess, "ChildProcess"> & { ChildProcess: { new (): NodeChild; prototype: NodeChild } };

/** Makes the handles of ChildProcesses instead of Node's own class; undefined: Node's does. */
let maker: (() => Handle) | undefined;

/** Has the handles of ChildProcesses made by `make` from now on, where child_process was loaded by us. */
export function makeHandles(make: typeof maker): typeof maker {
  const before = maker;
  maker = make;
  return before;
}

/**
 * Loads Node's child_process such that the class of its handles can be another. A ChildProcess makes its handle when
 * it is made itself, and one of Node's that is not used is not to be got rid of everywhere: see release(). If it has
 * been loaded before, or Node does not show us its class, it keeps that.
 */
function load(): NodeApi {
  let binding: { Process?: new () => Handle } | undefined;
  try {
    binding = (process as unknown as { binding(name: string): { Process?: new () => Handle } }).binding("process_wrap");
  } catch {
    // Node's permission model, or a Node without it.
  }
  const Native = binding?.Process;
  if (binding === undefined || typeof Native !== "function") return builtin("node:child_process") as NodeApi;
  const Process = function Process(): Handle {
    return maker === undefined ? new Native() : maker();
  };
  Process.prototype = Native.prototype;
  binding.Process = Process as unknown as new () => Handle;
  try {
    return builtin("node:child_process") as NodeApi;
  } finally {
    binding.Process = Native;
  }
}

export const nodeChildProcess = load();

const METHODS = ["spawn", "kill", "close", "ref", "unref", "hasRef"] as const;
const EINVAL = 22;

/** Something done to Node's own. */
export interface Patch {
  undo(): void;
}

/** Says what is not as expected in this Node. */
export class ShapeError extends Error {}

function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new ShapeError(`Node's ChildProcess is not as expected: ${what}`);
}

/** Reads a call of `_handle.spawn`. */
export function readRequest(form: Form, received: readonly unknown[]): SpawnRequest {
  if (form.kind === "options") return received[0] as SpawnRequest;
  const [file, args, cwd, envPairs, stdio, flags, uid, gid] = received;
  const detached = ((flags as number) & form.detachedFlag) !== 0;
  return { file, args, cwd, envPairs, stdio, detached, uid, gid } as SpawnRequest;
}

/**
 * Whether libuv can close a handle whose spawn has failed. Since 1.52 it takes such a handle from its list at once,
 * and at its closing once more: then what stands beside it in the list is damaged.
 */
const CLOSES_FAILED = Number(/^1\.(\d+)/.exec(process.versions.uv)?.[1] ?? Number.NaN) < 52;

/**
 * Gives back a handle of Node's that will never spawn. Only a spawn makes it one that can be closed, and one that
 * never was stays in memory for good (up to 1 KB). So it is asked for one that fails before anything is made:
 * fd -1 is none.
 */
export function release(form: Form, native: Handle): void {
  delete native.onexit;
  for (const symbol of Object.getOwnPropertySymbols(native)) Reflect.deleteProperty(native, symbol);
  if (!CLOSES_FAILED) return;
  const stdio = [{ type: "fd", fd: -1 }];
  if (form.kind === "options") native.spawn({ file: "-", args: [], envPairs: [], stdio });
  else native.spawn("-", [], undefined, [], stdio, 0, undefined, undefined);
  native.close();
}

/**
 * Looks how this Node's ChildProcess speaks to its handle: has it spawn on one that notes down what it is told, and
 * fails.
 *
 * @throws ShapeError: it does otherwise than we can follow.
 */
export function lookAtNode(): NodeShape {
  const { ChildProcess } = nodeChildProcess;
  expect(typeof ChildProcess?.prototype?.spawn === "function", "it has no spawn()");
  const before = makeHandles(undefined);
  const child = new ChildProcess();
  makeHandles(before);
  const native = child._handle;
  expect(typeof native === "object" && native !== null, "it has no _handle");
  for (const name of METHODS) expect(typeof native[name] === "function", `its _handle has no ${name}()`);
  expect(typeof native.onexit === "function", "its _handle has no onexit()");

  const calls: unknown[][] = [];
  let files: string[] = [];
  const note: Handle = {
    onexit: native.onexit,
    spawn: (...received) => {
      files = filesOfCallers();
      calls.push(received);
      return -EINVAL;
    },
    kill: () => 0,
    close: () => {},
    ref: () => {},
    unref: () => {},
    hasRef: () => true,
  };
  child._handle = note;
  const asked = { file: "-", args: ["-"], cwd: "/", envPairs: ["A=1"], uid: 1, gid: 2, detached: true };
  let failure: unknown;
  try {
    child.spawn({ ...asked, stdio: ["ignore", "pipe", "inherit"] });
  } catch (error) {
    failure = error;
  }
  expect((failure as NodeJS.ErrnoException | undefined)?.code === "EINVAL", "its spawn() takes no error from its _handle");
  const received = calls[0];
  expect(calls.length === 1 && received !== undefined, "its spawn() is not its _handle's");
  const form: Form = received.length === 1 ? { kind: "options" } : { kind: "positional", detachedFlag: received[5] as number };
  expect(form.kind === "options" || form.detachedFlag > 0, "its _handle's spawn() has other arguments");
  const request = readRequest(form, received);
  for (const [name, value] of Object.entries(asked)) {
    const got = request[name as keyof SpawnRequest];
    expect(JSON.stringify(got) === JSON.stringify(value), `its _handle's spawn() is given no ${name}`);
  }
  const [ignored, piped, inherited] = request.stdio;
  expect(ignored?.type === "ignore" && inherited?.type === "inherit" && inherited.fd === 2, "its _handle's stdio is another");
  expect(piped?.type === "pipe" && typeof piped.handle?.open === "function", "its _handle's pipes are others");
  release(form, native);
  const [note1, nodes, us] = files;
  const own = nodes?.startsWith("node:") === true && us === note1;
  return { form, Process: native.constructor, spawn: own ? ChildProcess.prototype.spawn : undefined };
}

/** Gives the files of the functions on the stack, that of the caller first; none, if this can't be had. */
function filesOfCallers(): string[] {
  const before = { stackTraceLimit: Error.stackTraceLimit, prepareStackTrace: Error.prepareStackTrace };
  const holder: { stack?: unknown } = {};
  try {
    Error.stackTraceLimit = 3;
    Error.prepareStackTrace = (_, frames) => frames.map((frame) => frame.getFileName() ?? "");
    Error.captureStackTrace(holder, filesOfCallers);
    return Array.isArray(holder.stack) ? holder.stack : [];
  } catch {
    // Frozen intrinsics.
    return [];
  } finally {
    try {
      Object.assign(Error, before);
    } catch {
      // They were not changed.
    }
  }
}

/** Has something of Node's looked at once: gives what it is like, or why brood can't stand in for it. */
export function lookedOnce<Shape>(look: () => Shape): () => Shape | Error {
  let looked: Shape | Error | undefined;
  return () => {
    try {
      // Without the addon there is nothing to put in its place.
      if (looked === undefined) addon();
      looked ??= look();
    } catch (error) {
      looked = error as Error;
    }
    return looked;
  };
}
