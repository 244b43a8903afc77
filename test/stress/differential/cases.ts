/**
 * Random commands: what they are given, and what they do.
 */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import type { LimitName, MaxOutput, SpawnOptions, StdioEntry } from "brood";
import { act } from "../../helpers/act.js";
import { childPath } from "../../helpers/children.js";
import type { Random } from "./random.js";

/** One command, to be started in many ways. */
export interface Case {
  file: string | Buffer;
  args: (string | Buffer)[];
  options: SpawnOptions;
  /** What is written to fd 0; undefined: fd 0 is what the options say. */
  input: Buffer | undefined;
  /** Its fd on which test/children/report.c reports; undefined where another program runs. */
  reportFd: number | undefined;
  /** Processes of its own hold its pipes after its end. */
  holders: boolean;
}

/** What cases are made of: open fds of ours, and a directory that `resetFiles` makes the same again. */
export interface Ground {
  directory: string;
  openFds: readonly number[];
}

/** Puts the files back to what they were: a child may have made or emptied some. */
export function resetFiles({ directory }: Ground): void {
  rmSync(`${directory}/files`, { recursive: true, force: true });
  mkdirSync(`${directory}/files/sub`, { recursive: true });
  for (const name of ["a", "b", "c"]) writeFileSync(`${directory}/files/${name}`, `this is ${name}\n`);
}

const SIGNALS = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGUSR1",
  "SIGTERM",
  "SIGCHLD",
  "SIGPIPE",
  "SIGWINCH",
  "SIGRTMIN+3",
  40,
  64,
] as const;
const FATAL = [1, 2, 3, 6, 9, 11, 13, 14, 15, 34, 40, 64];
const LIMITS: readonly LimitName[] = ["core", "fsize", "nofile", "stack", "cpu", "sigpending", "msgqueue", "nice", "rtprio"];
const SIZES = [0, 1, 4095, 4096, 65535, 65536, 65537, 1 << 20];

/** A file that can be executed, or can't be. */
function file(random: Random, ground: Ground, usual: string): string | Buffer {
  if (random.chance(0.85)) return usual;
  return random.pick([
    `${ground.directory}/files/a`,
    `${ground.directory}/files/sub`,
    `${ground.directory}/files/a/b`,
    `${ground.directory}/missing`,
    Buffer.from([...Buffer.from(`${ground.directory}/`), 0xff, 0xfe]),
    `./report`,
    `${ground.directory}/script-without-interpreter`,
    `${ground.directory}/${"x".repeat(300)}`,
    `${ground.directory}/${"y/".repeat(2100)}z`,
  ]);
}

function entry(random: Random, ground: Ground, target: number, targets: readonly number[]): StdioEntry {
  const path = (): string =>
    `${ground.directory}/${random.pick(["files/a", "files/b", "files/c", "files/new", "files/sub", "none/x"])}`;
  const makers: (() => StdioEntry)[] = [
    () => "ignore",
    () => "close",
    () => "pipe",
    () => "socket",
    () => ({ pipe: random.pick(["r", "w"]) }),
    () => ({ pipe: random.pick(["r", "w"]), size: random.pick([1, 4096, 65536, 200_000]) }),
    () => random.pick(ground.openFds),
    () => random.pick(ground.openFds),
    () => ({ fd: random.pick(ground.openFds) }),
    () => ({ dup: random.pick(targets) }),
    () => ({ dup: random.pick(targets) }),
    () => ({ file: path(), mode: random.pick(["r", "r+", "w", "w+", "a", "a+"]) }),
    () => ({ file: path(), mode: random.pick(["wx", "ax", "r", "w"]) }),
  ];
  if (random.chance(0.02)) return 987_654;
  if (random.chance(0.05) && (target < 3 || ground.openFds.includes(target))) return "inherit";
  return random.pick(makers)();
}

function limit(random: Random, name: LimitName): number | { soft: number; hard: number } {
  const low = name === "nofile" ? 64 : name === "stack" ? 1 << 20 : name === "fsize" ? 1 << 22 : name === "cpu" ? 100 : 0;
  const soft = low + random.integer(0, 20);
  return random.chance(0.5) ? soft : { soft, hard: soft + random.integer(name === "core" ? -1 : 0, 5) };
}

/** Who the child is to be. */
function ids(random: Random): SpawnOptions {
  return random.pick<SpawnOptions>([
    {},
    {},
    {},
    { uid: 65534, gid: 65534, groups: [] },
    { uid: 12345, gid: 54321 },
    { gid: 77 },
    { groups: [5, 4, 70000] },
    { uid: 0 },
    { user: "nobody" },
    { user: "no-such-account" },
    { uid: 4242 },
  ]);
}

function environment(random: Random): SpawnOptions {
  const pairs: [string | Uint8Array, string | Uint8Array | undefined][] = [];
  for (let i = random.integer(0, 4); i > 0; i--) {
    const name = random.pick(["A", "B", "PATH", "HOME", "ünï", "LONG"]);
    pairs.push([
      random.chance(0.3) ? Buffer.from(name) : name,
      random.chance(0.1) ? undefined : random.chance(0.3) ? random.bytes(20) : "v".repeat(random.pick([0, 1, 10, 5000])),
    ]);
  }
  const form = random.pick(["none", "pairs", "object"]);
  if (form === "none") return {};
  const object = Object.fromEntries(pairs.map(([name, value]) => [name.toString(), value]));
  return { env: form === "pairs" ? pairs : object, extendEnv: random.chance(0.5) };
}

/** A child that tells what it finds itself to be. */
export function reportCase(random: Random, ground: Ground): Case {
  const reportFd = random.pick([1, 1, 2, 5, ...ground.openFds.slice(0, 2), 900]);
  const targets = [0, 1, 2, ...random.some([3, 4, 5, 6, 10, 63, 64, 800, ...ground.openFds], 8)];
  const fds: Record<number, StdioEntry> = {};
  for (const target of targets) fds[target] = entry(random, ground, target, targets);
  fds[reportFd] = random.chance(0.9) ? { pipe: "r" } : "pipe";
  const passFds = ground.openFds.filter((fd) => fds[fd] === undefined && random.chance(0.1));
  const options: SpawnOptions = { fds, ...environment(random), ...ids(random) };
  if (passFds.length > 0) options.passFds = passFds;
  if (random.chance(0.3))
    options.cwd = random.pick([
      "/",
      ground.directory,
      Buffer.from(`${ground.directory}/files`),
      `${ground.directory}/files/sub/..`,
      `${ground.directory}/files/a`,
      `${ground.directory}/nowhere`,
      ground.openFds[0] as number,
    ]);
  if (random.chance(0.1)) options.chroot = random.pick(["/", "/", `${ground.directory}/files`, `${ground.directory}/nowhere`]);
  if (random.chance(0.3)) options.umask = random.integer(0, 0o777);
  if (random.chance(0.2)) options.nice = random.integer(-20, 19);
  if (random.chance(0.3)) options.rlimits = Object.fromEntries(random.some(LIMITS, 3).map((name) => [name, limit(random, name)]));
  if (random.chance(0.2)) options.session = random.chance(0.5);
  if (random.chance(0.2)) options.processGroup = random.chance(0.8) ? "new" : 1;
  if (random.chance(0.1)) options.oomScoreAdj = random.integer(0, 1000);
  if (random.chance(0.1)) options.noNewPrivs = random.chance(0.5);
  if (random.chance(0.1)) options.parentDeathSignal = random.pick(["SIGTERM", "SIGKILL", "SIGRTMIN+1"]);
  if (random.chance(0.2)) options.cpuAffinity = random.pick([[0], [1], [0, 1], [1000]]);
  if (random.chance(0.3)) options.ignoreSignals = random.some(SIGNALS, 4);
  if (random.chance(0.3)) options.blockSignals = random.some(SIGNALS, 4);
  if (random.chance(0.2)) options.restoreSignals = random.pick(["runtime", "all", false]);
  if (random.chance(0.2)) options.argv0 = random.pick(["", "other", random.bytes(10)]);
  return {
    file: file(random, ground, childPath("report")),
    args: [String(reportFd), ...Array.from({ length: random.integer(0, 3) }, () => random.bytes(12))],
    options,
    input: undefined,
    reportFd,
    holders: false,
  };
}

/** A child that reads, writes and ends in some way. */
export function dataCase(random: Random, ground: Ground): Case {
  const input = random.chance(0.6) ? Buffer.alloc(random.pick(SIZES), "input ") : undefined;
  const args: string[] = [];
  const sizes = random.chance(0.5) ? SIZES : SIZES.slice(0, 5);
  const write = (): void => {
    args.push("fill", random.pick(["1", "1", "2"]), String(random.pick(sizes)));
  };
  if (input !== undefined && random.chance(0.8)) args.push(...(random.chance(0.5) ? ["count", "0"] : ["read"]));
  write();
  if (random.chance(0.5)) write();
  if (input !== undefined && random.chance(0.3)) args.push("drain");
  const options: SpawnOptions = { rlimits: { core: 0 } };
  if (input === undefined) options.stdin = random.pick(["ignore", "close"]);
  if (random.chance(0.3))
    options.stderr = random.pick<StdioEntry>([{ dup: 1 }, "ignore", { file: `${ground.directory}/files/new` }]);
  if (random.chance(0.1))
    options.stdout = random.pick<StdioEntry>(["ignore", { file: `${ground.directory}/files/a`, mode: "a" }]);
  if (random.chance(0.4)) {
    const limit: MaxOutput = { bytes: random.pick([0, 1, 100, 4096, 65536]), keep: random.pick(["head", "tail", "both"]) };
    if (random.chance(0.3)) limit.spill = `${ground.directory}/files/spill`;
    options.maxOutput = limit;
  }
  const holders = random.chance(0.15);
  // The holder ends by itself, long after everything here has given it up.
  if (holders) options.drain = { ...random.pick([{ timeout: 30 }, { idle: 30 }]), then: random.pick(["close", "error"]) };
  const end = random.pick(["exit", "exit", "raise", "pause", "nothing"]);
  if (end === "exit") args.push("exit", String(random.pick([0, 0, 1, 2, 77, 127, 128, 255])));
  if (end === "raise") args.push("raise", String(random.pick(FATAL)));
  if (end === "pause" && !holders) {
    if (random.chance(0.3)) args.unshift("ignore", "15");
    args.push("pause");
    Object.assign(options, random.pick([{ timeout: 40 }, { idleTimeout: 60 }]), { forceKillAfterDelay: 60 });
    if (random.chance(0.3)) options.killSignal = random.pick(["SIGHUP", "SIGUSR1", "SIGKILL", 35]);
  }
  const script = 'sleep 1.5 & exec "$@"';
  return {
    file: holders ? "/bin/sh" : file(random, ground, act),
    args: holders ? ["-c", script, "sh", act, ...args] : args,
    options,
    input,
    reportFd: undefined,
    holders,
  };
}
