/**
 * `brood run` as pid 1 of a pid namespace: it reaps what is reparented to it, and is no worse an init for signals.
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { BROOD } from "../helpers/command.js";
import { childrenOf } from "../helpers/processes.js";
import { BROOD_COMMAND, KEYS, Terminal } from "../helpers/terminal.js";
import { test } from "../helpers/test.js";

const UNSHARE = ["unshare", "-pf", "--mount-proc"];

class Namespace {
  readonly process: ChildProcess;
  readonly result: Promise<{ status: number | null; stdout: string }>;
  #seen = "";

  constructor(script: string) {
    const [file, ...args] = [...UNSHARE, process.execPath, BROOD, "run", "--", "sh", "-c", script] as string[];
    const child = spawn(file as string, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.process = child;
    child.stdout.on("data", (chunk) => {
      this.#seen += chunk;
    });
    const status = once(child, "close").then(([code]) => code as number | null);
    this.result = Promise.all([status, text(child.stdout)]).then(([code, stdout]) => ({ status: code, stdout }));
  }

  async said(words: string): Promise<void> {
    while (!this.#seen.includes(words)) {
      if (this.process.exitCode !== null) throw new Error(`the namespace has ended; it said ${JSON.stringify(this.#seen)}`);
      await Promise.race([once(this.process.stdout as NodeJS.ReadableStream, "data"), this.result]);
    }
  }

  /** brood's pid as we see it. */
  get brood(): number {
    return childrenOf(this.process.pid as number)[0] as number;
  }
}

/** Zombies that /proc shows, in the namespace. */
const ZOMBIES = "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l";

test("it is pid 1, its command is not, and the status is the command's", async () => {
  const { status, stdout } = await new Namespace("echo $PPID; exit 42").result;
  assert.deepEqual({ status, stdout }, { status: 42, stdout: "1\n" });
});

test("orphans are reaped: a hundred grandchildren, and those that come with a zombie of their own", async () => {
  const orphans = "for i in $(seq 100); do (sh -c 'sleep 0.0$1; exit 3' sh $i &) ; done";
  // A parent that ends without having waited leaves its zombie to pid 1.
  const zombies = "for i in 1 2 3; do sh -c 'true & exec sleep 0.05' & done";
  const wait = `while grep -qs '^Name:.sleep' /proc/[0-9]*/status || [ $(${ZOMBIES}) != 0 ]; do sleep 0.02; done`;
  const { status, stdout } = await new Namespace(`${orphans}; ${zombies}; wait; ${wait}; echo zombies $(${ZOMBIES}); exit 6`)
    .result;
  assert.deepEqual({ status, stdout }, { status: 6, stdout: "zombies 0\n" });
});

test("signals are passed on to the command", async () => {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"] as const) {
    const name = signal.slice(3);
    const namespace = new Namespace(`trap 'echo got ${name}; exit 9' ${name}; echo ready; while :; do sleep 0.01; done`);
    await namespace.said("ready");
    process.kill(namespace.brood, signal);
    assert.deepEqual(await namespace.result, { status: 9, stdout: `ready\ngot ${name}\n` });
  }
});

test("a command that a signal ends gives 128+n, and the namespace ends with it", async () => {
  const namespace = new Namespace("sleep 60 & echo ready; exec sleep 60");
  await namespace.said("ready");
  process.kill(namespace.brood, "SIGTERM");
  assert.equal((await namespace.result).status, 128 + 15);
});

test("in a terminal, as a container's first process: Ctrl-C and the modes", async () => {
  const words = [...UNSHARE, ...BROOD_COMMAND.split(" "), "run", "--", "sh", "-c"];
  const command = "trap 'exit 5' INT; stty -echo; echo ready; while :; do sleep 0.01; done";
  await using terminal = new Terminal(["sh", "-c", 'trap : INT; "$@"; echo "status $?"; read x', "sh", ...words, command]);
  const { modes } = await terminal.state();
  await terminal.until("ready");
  assert.notEqual((await terminal.state()).modes, modes);
  terminal.type(KEYS.interrupt);
  await terminal.until("status 5");
  assert.equal((await terminal.state()).modes, modes);
});
