/**
 * The flags of `brood run`: one table, from which parsing, help and suggestions come. Each flag sets an
 * option of the library; what a value means beyond its syntax is checked there.
 */

import type { SpawnOptions } from "../process/options.js";
import type { IdRange, Limit, LimitName, Namespace, StdioEntry, StdioWord } from "../program/options.js";
import type { Means } from "../states.js";
import { UsageError } from "./usage-error.js";

/** What the command line asks for. */
export interface Request {
  options: Writable<SpawnOptions>;
  report: "none" | "text" | "json";
  /** A second SIGINT ends the command. */
  interruptTwice: boolean;
  /** The command, and what it starts, has brood's engine under Node's child_process. */
  register: boolean;
  /** The topic that help is wanted about, "": all of it in short; undefined: none. */
  help: string | undefined;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What flags are about, as `--help TOPIC` names it. */
export const TOPICS = {
  start: "its directory, environment and executable",
  stdio: "its input and output",
  identity: "whose rights it has: user, groups, namespaces",
  limits: "how much it may use",
  signals: "sessions, process groups, signals",
  end: "its end: timeouts, and what it leaves behind",
  report: "what is told about it",
} as const;
export type Topic = keyof typeof TOPICS;

export interface Flag {
  /** Without the dashes. */
  name: string;
  /** What to call its value; absent: it takes none. */
  value?: string;
  /** Whether the value may be left out (only `--flag=value` gives one then). */
  optional?: boolean;
  topic: Topic;
  help: string;
  apply(request: Request, value: string): void;
}

export const FLAGS: readonly Flag[] = [
  option("cwd", "DIR", "start", "its working directory", (o, v) => set(o, "cwd", v)),
  option("chroot", "DIR", "start", "its root directory", (o, v) => set(o, "chroot", v)),
  option("env", "NAME=VALUE", "start", "set a variable (repeatable)", (o, v) => {
    const at = v.indexOf("=");
    if (at < 1) throw new UsageError(`--env takes NAME=VALUE, not ${JSON.stringify(v)}`);
    addEnv(o, v.slice(0, at), v.slice(at + 1));
  }),
  option("unset-env", "NAME", "start", "remove a variable (repeatable)", (o, v) => addEnv(o, v, undefined)),
  toggle("clear-env", "start", "start from an empty environment", (o) => set(o, "extendEnv", false)),
  {
    name: "register",
    topic: "start",
    help: "every Node in it spawns on brood's engine",
    apply(request) {
      request.register = true;
    },
  },
  option("path", "DIRS", "start", "where the executable is sought", (o, v) => set(o, "path", v)),
  option("argv0", "NAME", "start", "its argv[0]", (o, v) => set(o, "argv0", v)),

  option("stdin", "ENTRY", "stdio", "inherit (default), ignore, close or FILE", (o, v) => set(o, "stdin", stdio(v, "r"))),
  option("stdout", "ENTRY", "stdio", "inherit, ignore, close, FILE or append:FILE", (o, v) => set(o, "stdout", stdio(v, "w"))),
  option("stderr", "ENTRY", "stdio", "the same; the word stdout joins it to stdout", (o, v) =>
    set(o, "stderr", v === "stdout" ? { dup: 1 } : stdio(v, "w")),
  ),
  option("pass-fd", "N", "stdio", "keep this fd open (repeatable)", (o, v) =>
    set(o, "passFds", [...(o.passFds ?? []), integer(v, "pass-fd")]),
  ),

  option("user", "NAME", "identity", "run as this account, with its groups", (o, v) => set(o, "user", v)),
  option("uid", "N", "identity", "user id", (o, v) => set(o, "uid", integer(v, "uid"))),
  option("gid", "N", "identity", "group id", (o, v) => set(o, "gid", integer(v, "gid"))),
  option("groups", "N,N", "identity", "supplementary groups; empty: none", (o, v) => set(o, "groups", list(v, "groups"))),
  option("umask", "OCTAL", "identity", "file mode creation mask", (o, v) => {
    if (!/^[0-7]{1,4}$/.test(v)) throw new UsageError(`--umask takes an octal number, not ${JSON.stringify(v)}`);
    set(o, "umask", Number.parseInt(v, 8));
  }),
  option("memory-max", "SIZE", "limits", "memory of all of it: 512M (needs a cgroup)", (o, v) =>
    contained(o, "memoryMax", size(v, "memory-max")),
  ),
  option("pids-max", "N", "limits", "processes and threads of all of it", (o, v) =>
    contained(o, "pidsMax", integer(v, "pids-max")),
  ),
  option("cpu-max", "CPUS", "limits", "CPUs for all of it: 0.5 is half of one", (o, v) =>
    contained(o, "cpuMax", decimal(v, "cpu-max")),
  ),
  option("namespaces", "NAME,NAME", "identity", "new user, mount, pid, net, ipc, uts, cgroup", (o, v) =>
    set(o, "namespaces", v.split(",") as Namespace[]),
  ),
  option("uid-map", "IN:OUT[:COUNT]", "identity", "ids of a new user namespace (repeatable)", (o, v) =>
    set(o, "uidMap", [...(o.uidMap ?? []), idRange(v, "uid-map")]),
  ),
  option("gid-map", "IN:OUT[:COUNT]", "identity", "group ids of it (repeatable)", (o, v) =>
    set(o, "gidMap", [...(o.gidMap ?? []), idRange(v, "gid-map")]),
  ),
  option("nice", "N", "limits", "nice value, -20 to 19", (o, v) => set(o, "nice", integer(v, "nice"))),
  option("limit", "NAME=SOFT[:HARD]", "limits", "resource limit: nofile=1024 (repeatable)", addLimit),
  option("cpu-affinity", "N,N-N", "limits", "the CPUs it may use", (o, v) => set(o, "cpuAffinity", list(v, "cpu-affinity"))),
  option("oom-score-adj", "N", "limits", "-1000 to 1000", (o, v) => set(o, "oomScoreAdj", integer(v, "oom-score-adj"))),
  toggle("no-new-privs", "identity", "exec can't grant privileges", (o) => set(o, "noNewPrivs", true)),

  toggle("session", "signals", "lead a new session", (o) => set(o, "session", true)),
  option("process-group", "new|ID", "signals", "lead or join a process group", (o, v) =>
    set(o, "processGroup", v === "new" ? "new" : integer(v, "process-group")),
  ),
  option("restore-signals", "WHICH", "signals", "ignored ones to default: runtime, all, none", (o, v) =>
    set(o, "restoreSignals", RESTORED[word(v, "restore-signals", RESTORED)]),
  ),
  option("ignore-signal", "SIGNAL", "signals", "start with it ignored (repeatable)", (o, v) =>
    set(o, "ignoreSignals", [...(o.ignoreSignals ?? []), signal(v)]),
  ),
  option("block-signal", "SIGNAL", "signals", "start with it blocked (repeatable)", (o, v) =>
    set(o, "blockSignals", [...(o.blockSignals ?? []), signal(v)]),
  ),

  option("timeout", "TIME", "end", "end it after 500, 500ms, 30s, 5m or 1h", (o, v) => set(o, "timeout", duration(v, "timeout"))),
  option("idle-timeout", "TIME", "end", "the same after so long without output", (o, v) =>
    set(o, "idleTimeout", duration(v, "idle-timeout")),
  ),
  option("drain", "TIME", "end", "read pipes that others hold so long (2s); wait", (o, v) =>
    set(o, "drain", v === "wait" ? { then: "wait" } : { idle: duration(v, "drain") }),
  ),
  option("kill-signal", "SIGNAL", "end", "the polite signal (SIGTERM)", (o, v) => set(o, "killSignal", signal(v))),
  option("force-kill-after", "TIME", "end", "SIGKILL so long after it (5s); never", (o, v) =>
    set(o, "forceKillAfterDelay", v === "never" ? false : duration(v, "force-kill-after")),
  ),
  {
    name: "interrupt-twice",
    topic: "end",
    help: "a second Ctrl-C ends it, as a timeout does",
    apply(request) {
      request.interruptTwice = true;
    },
  },
  {
    name: "contain",
    value: "MEANS",
    optional: true,
    topic: "end",
    help: "leave nothing that it starts: auto, cgroup, ...",
    apply(request, value) {
      set(request.options, "contain", word(value === "" ? "auto" : value, "contain", MEANS));
    },
  },
  option("descendants", "WHAT", "end", "what outlives it: kill (default), wait, leave", (o, v) =>
    set(o, "descendants", v as "kill"),
  ),
  option("parent-death-signal", "SIGNAL", "end", "what it gets when brood dies", (o, v) =>
    set(o, "parentDeathSignal", signal(v)),
  ),

  {
    name: "report",
    value: "text|json",
    optional: true,
    topic: "report",
    help: "tell on stderr how it went",
    apply(request, value) {
      if (value !== "" && value !== "text" && value !== "json") {
        throw new UsageError(`--report takes text or json, not ${JSON.stringify(value)}`);
      }
      request.report = value === "json" ? "json" : "text";
    },
  },
  {
    name: "help",
    value: "TOPIC",
    optional: true,
    topic: "report",
    help: "a page of help",
    apply(request, value) {
      request.help = value;
    },
  },
];

type Options = Request["options"];

const RESTORED = { runtime: "runtime", all: "all", none: false } as const;
const MEANS: Record<"auto" | Means, 0> = { auto: 0, cgroup: 0, keeper: 0, namespace: 0, group: 0 };

/** One of the words that are the keys of a table. */
function word<Word extends string>(text: string, flag: string, words: Readonly<Record<Word, unknown>>): Word {
  if (!Object.hasOwn(words, text))
    throw new UsageError(`--${flag} takes ${Object.keys(words).join(", ")}, not ${JSON.stringify(text)}`);
  return text as Word;
}

function option(name: string, value: string, topic: Topic, help: string, apply: (options: Options, value: string) => void): Flag {
  return { name, value, topic, help, apply: (request, text) => apply(request.options, text) };
}

function toggle(name: string, topic: Topic, help: string, apply: (options: Options) => void): Flag {
  return { name, topic, help, apply: (request) => apply(request.options) };
}

function set<Name extends keyof SpawnOptions>(options: Options, name: Name, value: SpawnOptions[Name]): void {
  options[name] = value;
}

function addEnv(options: Options, name: string, value: string | undefined): void {
  options.env = { ...(options.env as Record<string, string | undefined>), [name]: value };
}

const WORDS: readonly string[] = ["inherit", "ignore", "close"] satisfies StdioWord[];

function stdio(text: string, mode: "r" | "w"): StdioEntry {
  if (WORDS.includes(text)) return text as StdioWord;
  if (mode === "w" && text.startsWith("append:")) return { file: text.slice("append:".length), mode: "a" };
  return { file: text, mode };
}

function integer(text: string, flag: string): number {
  if (!/^-?\d+$/.test(text)) throw new UsageError(`--${flag} takes a number, not ${JSON.stringify(text)}`);
  return Number(text);
}

/** What limits all that it starts contains it, too. */
function contained(options: Options, name: "memoryMax" | "pidsMax" | "cpuMax", value: number): void {
  options.contain ??= "auto";
  options[name] = value;
}

const SIZES: Record<string, number> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Bytes, unless there is a unit: K, M, G, T, of 1024. */
function size(text: string, flag: string): number {
  const match = /^(\d+)([kmgt]?)$/i.exec(text);
  if (match === null) throw new UsageError(`--${flag} takes a size such as 512M, not ${JSON.stringify(text)}`);
  return Number(match[1]) * (SIZES[(match[2] as string).toLowerCase()] as number);
}

function decimal(text: string, flag: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new UsageError(`--${flag} takes a number, not ${JSON.stringify(text)}`);
  return Number(text);
}

/** "0:1000:1" */
function idRange(text: string, flag: string): IdRange {
  const match = /^(\d+):(\d+)(?::(\d+))?$/.exec(text);
  if (match === null) throw new UsageError(`--${flag} takes INSIDE:OUTSIDE[:COUNT], such as 0:1000, not ${JSON.stringify(text)}`);
  return { inside: Number(match[1]), outside: Number(match[2]), count: Number(match[3] ?? 1) };
}

/** "0,2-4" */
function list(text: string, flag: string): number[] {
  if (text === "") return [];
  return text.split(",").flatMap((part) => {
    const range = /^(\d+)-(\d+)$/.exec(part);
    if (range === null) return [integer(part, flag)];
    const [first, last] = [Number(range[1]), Number(range[2])];
    if (last < first || last - first > 8192)
      throw new UsageError(`--${flag} takes ranges such as 2-4, not ${JSON.stringify(part)}`);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** A signal's name with or without SIG, in any case, or its number. */
function signal(text: string): string | number {
  if (/^\d+$/.test(text)) return Number(text);
  const name = text.toUpperCase();
  return name.startsWith("SIG") ? name : `SIG${name}`;
}

const UNITS: Record<string, number> = { "": 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds, unless there is a unit. */
function duration(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(text);
  if (match === null) throw new UsageError(`--${flag} takes a time such as 500ms, 30s or 5m, not ${JSON.stringify(text)}`);
  return Number(match[1]) * (UNITS[match[2] as string] as number);
}

function addLimit(options: Options, text: string): void {
  const match = /^([a-z]+)=(\w+)(?::(\w+))?$/.exec(text);
  if (match === null) throw new UsageError(`--limit takes NAME=SOFT[:HARD], such as nofile=1024, not ${JSON.stringify(text)}`);
  const [, name, soft, hard] = match as unknown as [string, LimitName, string, string | undefined];
  const limit: Limit = hard === undefined ? amount(soft) : { soft: amount(soft), hard: amount(hard) };
  options.rlimits = { ...options.rlimits, [name]: limit };
}

function amount(text: string): bigint | "unlimited" {
  if (text === "unlimited") return text;
  integer(text, "limit");
  // They have 64 bits.
  return BigInt(text);
}
