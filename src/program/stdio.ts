/**
 * The child's fds: from the words that users write to a map of targets and sources.
 */

import { constants } from "node:fs";
import { conflict, outOfRange, wrongType, wrongValue } from "../errors.js";
import type { FileMode, ProgramOptions, StdinEntry, StdioWord } from "./options.js";
import { type FdMap, INPUT, type InputKind, type Source } from "./plan.js";
import {
  checkArray,
  checkFdTable,
  checkInteger,
  checkNames,
  checkPath,
  checkText,
  checkWord,
  closest,
  INT_MAX,
} from "./validate.js";
import type { Text } from "./writer.js";

const WORDS: readonly StdioWord[] = ["pipe", "ignore", "inherit", "close", "socket"];

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;

const MODES: Record<FileMode, number> = {
  r: O_RDONLY,
  "r+": O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  "w+": O_RDWR | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_EXCL,
  a: O_WRONLY | O_CREAT | O_APPEND,
  "a+": O_RDWR | O_CREAT | O_APPEND,
  ax: O_WRONLY | O_CREAT | O_APPEND | O_EXCL,
};

/** What 0, 1 and 2 are where nothing is said; undefined: as they are, or are not, with us. */
export type StdioDefaults = readonly [StdinEntry | undefined, StdioWord | undefined, StdioWord | undefined];

export interface Stdio {
  map: FdMap;
  /** What is to be written to fd 0, then ended. */
  data: Text | undefined;
}

/** One child's fd, as it was asked for. */
interface Request {
  target: number;
  entry: unknown;
  /** What to call it in an error. */
  name: string;
}

export function planStdio(options: ProgramOptions, defaults: StdioDefaults, isOpen: (fd: number) => boolean): Stdio {
  const requests = collect(options, defaults);
  const stdio: Stdio = { map: { inputs: [], opens: [], entries: [], closes: [] }, data: undefined };
  const sources = new Map<number, Source | "close">();
  const context: Context = { stdio, isOpen, nullDevice: undefined };
  for (const request of requests.values()) {
    if (isDup(request.entry)) continue;
    sources.set(request.target, resolve(request, context));
  }
  for (const request of requests.values()) {
    if (isDup(request.entry)) sources.set(request.target, follow(request, requests, sources));
  }
  const closeFds = options.closeFds !== false;
  for (const target of [...sources.keys()].sort((a, b) => a - b)) {
    const source = sources.get(target) as Source | "close";
    if (source !== "close") stdio.map.entries.push({ target, source });
    // From 3 up what isn't in the map is closed anyhow.
    else if (target < 3 || !closeFds) stdio.map.closes.push(target);
  }
  return stdio;
}

/** Gathers what was said of each fd, from the four places where it can be said. */
function collect(options: ProgramOptions, defaults: StdioDefaults): Map<number, Request> {
  const requests = new Map<number, Request>();
  const named = [options.stdin, options.stdout, options.stderr];
  const add = (target: number, entry: unknown, name: string): void => {
    const other = requests.get(target);
    if (other !== undefined) throw conflict(`fd ${target} of the child is given twice: ${other.name} and ${name}`);
    requests.set(target, { target, entry, name });
  };
  if (options.stdio !== undefined) {
    if (named.some((entry) => entry !== undefined) || options.fds !== undefined) {
      throw conflict("options.stdio excludes stdin, stdout, stderr and fds: give all of them in stdio, as an array, or none");
    }
    const list: unknown[] =
      typeof options.stdio === "string"
        ? [options.stdio, options.stdio, options.stdio]
        : checkArray(options.stdio, "options.stdio");
    list.forEach((entry, target) => {
      if (entry !== undefined && entry !== null) add(target, entry, `options.stdio[${target}]`);
    });
  }
  (["stdin", "stdout", "stderr"] as const).forEach((name, target) => {
    if (named[target] !== undefined) add(target, named[target], `options.${name}`);
  });
  if (options.fds !== undefined) {
    for (const [key, entry] of Object.entries(checkFdTable(options.fds, "options.fds"))) {
      const target = Number(key);
      if (!/^(0|[1-9]\d*)$/.test(key) || target > INT_MAX) {
        throw outOfRange("an fd in options.fds", `an integer from 0 to ${INT_MAX}`, key);
      }
      if (entry !== undefined) add(target, entry, `options.fds[${target}]`);
    }
  }
  if (options.passFds !== undefined) {
    checkArray(options.passFds, "options.passFds").forEach((value, i) => {
      const fd = checkInteger(value, `options.passFds[${i}]`, 0, INT_MAX);
      if (fd < 3) throw wrongValue(`options.passFds[${i}]`, fd, 'must be 3 or more: for 0 to 2 use "inherit"');
      add(fd, fd, `options.passFds[${i}]`);
    });
  }
  defaults.forEach((entry, target) => {
    const name = `the default of fd ${target}`;
    if (entry !== undefined && !requests.has(target)) requests.set(target, { target, entry, name });
  });
  return requests;
}

interface Context {
  stdio: Stdio;
  isOpen: (fd: number) => boolean;
  nullDevice: Source | undefined;
}

function isDup(entry: unknown): entry is { dup: unknown } {
  return typeof entry === "object" && entry !== null && "dup" in entry;
}

/** Gives the source of a request that stands for itself. */
function resolve(request: Request, context: Context): Source | "close" {
  const { entry, target, name } = request;
  const { stdio } = context;
  if (typeof entry === "string" && (WORDS as readonly string[]).includes(entry)) {
    return wordSource(entry as StdioWord, request, context);
  }
  if (typeof entry === "number") return parentSource(checkInteger(entry, name, 0, INT_MAX), name, context);
  if (typeof entry === "string" || entry instanceof Uint8Array) {
    if (target !== 0)
      throw wrongValue(name, entry, `must be one of ${WORDS.join(", ")}, an fd, a stream or an object${adviceOn(entry)}`);
    if (typeof entry === "string" && hint(entry) !== "") {
      throw wrongValue(name, entry, `looks like a mistyped word${hint(entry)} Pass text that is meant so as bytes`);
    }
    stdio.data = typeof entry === "string" ? checkData(entry) : new Uint8Array(entry);
    return input(INPUT.weWrite, target, stdio);
  }
  if (typeof entry !== "object" || entry === null) throw wrongType(name, "a word, an fd, a stream or an object", entry);
  if ("file" in entry) {
    // Only what is known to be an output: to open any other file so would empty it.
    const usual = target === 1 || target === 2 ? "w" : "r";
    const { file, mode: letters = usual } = checkNames(entry, name, ["file", "mode"]);
    stdio.map.opens.push({
      path: checkPath(file, `${name}.file`),
      flags: MODES[checkWord(letters, `${name}.mode`, MODES)],
      mode: 0o666,
      trusted: false,
    });
    return { from: "open", open: stdio.map.opens.length - 1 };
  }
  if ("pipe" in entry && (entry.pipe === "r" || entry.pipe === "w")) {
    const { pipe, size } = checkNames(entry, name, ["pipe", "size"]);
    const bytes = size === undefined ? undefined : checkInteger(size, `${name}.size`, 1, INT_MAX);
    return input(pipe === "r" ? INPUT.weRead : INPUT.weWrite, target, stdio, bytes);
  }
  return parentSource(fdOf(entry, name), name, context);
}

function hint(entry: string | Uint8Array): string {
  const likely = typeof entry === "string" && /^[a-z]{3,8}$/i.test(entry) ? closest(entry, WORDS) : undefined;
  return likely === undefined ? "" : `, did you mean "${likely}"?`;
}

/** What was meant by a word that is none. */
function adviceOn(entry: string | Uint8Array): string {
  if (entry === "ipc") return ': there is no channel for messages, "socket" is a stream both ways';
  return typeof entry === "string" && /[/.]/.test(entry) ? ": a file is { file }" : hint(entry);
}

/** Text to be written may hold a NUL, but not half a character. */
function checkData(text: string): string {
  if (!text.isWellFormed()) checkText(text, "options.stdin");
  return text;
}

function wordSource(word: StdioWord, { target, name }: Request, context: Context): Source | "close" {
  switch (word) {
    case "pipe":
      return input(target === 0 ? INPUT.weWrite : INPUT.weRead, target, context.stdio);
    case "socket":
      return input(INPUT.socket, target, context.stdio);
    case "inherit":
      return parentSource(target, name, context);
    case "close":
      return "close";
    case "ignore":
      if (context.nullDevice === undefined) {
        context.stdio.map.opens.push({ path: "/dev/null", flags: O_RDWR, mode: 0, trusted: true });
        context.nullDevice = { from: "open", open: context.stdio.map.opens.length - 1 };
      }
      return context.nullDevice;
  }
}

function input(kind: InputKind, target: number, stdio: Stdio, size?: number): Source {
  stdio.map.inputs.push(size === undefined ? { kind, target } : { kind, target, size });
  return { from: "input", input: stdio.map.inputs.length - 1 };
}

/** An fd that isn't open is refused now: a pipe made later could get its number. */
function parentSource(fd: number, name: string, { isOpen }: Context): Source {
  if (!isOpen(fd)) throw new NotOpenError(fd, name);
  return { from: "parent", fd };
}

/** Says that a source fd is not open. The launcher makes a SpawnError of it. */
export class NotOpenError extends Error {
  constructor(
    readonly fd: number,
    readonly option: string,
  ) {
    super(`fd ${fd} (${option}) is not open`);
  }
}

interface FdHolder {
  fd?: unknown;
  _handle?: { fd?: unknown } | null;
  pipe?: unknown;
  write?: unknown;
  readableFlowing?: boolean | null;
  readableLength?: number;
  writableLength?: number;
}

/** What to do with a stream that can't be a child's fd. */
const WITHOUT_FD =
  'leave this fd "pipe" and pipe the stream into child.stdin, or child.stdout into the stream; run() reads its input from one. ' +
  "Two children are connected by a pipe of yours: cloexecPipe() of brood/posix";

/** The fd of a stream or file handle. A stream that reads, or holds data, would share it with the child. */
function fdOf(holder: FdHolder, name: string): number {
  const fd = typeof holder.fd === "number" ? holder.fd : holder._handle?.fd;
  if (fd === null || (fd === undefined && "fd" in holder))
    throw wrongValue(name, holder, 'has no open fd (yet): await its "open" event, or give { file }');
  if (typeof fd !== "number" && (typeof holder.pipe === "function" || typeof holder.write === "function")) {
    throw wrongValue(name, holder, `is a stream without an fd of its own, as those of children are: ${WITHOUT_FD}`);
  }
  if (typeof fd !== "number")
    throw wrongType(name, "a word, an fd, a stream or file handle with an fd, {file}, {dup} or {pipe}", holder);
  if (fd < 0) throw wrongValue(name, holder, "has been closed");
  if (holder.readableFlowing === true || (holder.readableLength ?? 0) > 0 || (holder.writableLength ?? 0) > 0) {
    throw wrongValue(name, holder, "must be a stream that is paused and empty: its data would be lost or mixed");
  }
  return checkInteger(fd, name, 0, INT_MAX);
}

/** Follows {dup: n} to where it leads. */
function follow(request: Request, requests: Map<number, Request>, sources: Map<number, Source | "close">): Source {
  const seen = new Set<number>();
  let at = request;
  while (isDup(at.entry)) {
    const { dup } = checkNames(at.entry, at.name, ["dup"]);
    const number = checkInteger(dup, `${at.name}.dup`, 0, INT_MAX);
    if (seen.has(at.target)) throw wrongValue(request.name, request.target, "is a duplicate of itself, in a cycle of {dup}");
    seen.add(at.target);
    const next = requests.get(number);
    if (next === undefined) throw wrongValue(`${at.name}.dup`, number, "must be an fd that the child has");
    at = next;
  }
  const source = sources.get(at.target);
  if (source === undefined || source === "close")
    throw wrongValue(`${request.name}.dup`, at.target, "must be an fd that the child has, this one is closed");
  return source;
}
