/**
 * Types only: compiled, never run. The streams of a child as its literal options say.
 */

import type { Writable } from "node:stream";
import {
  type Child,
  type ChildDuplex,
  type ChildReadable,
  type RunOptions,
  type RunResult,
  run,
  type SpawnOptions,
  spawn,
} from "brood";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Equal<A, B>): void {}

export function defaults(): void {
  const child = spawn("cat");
  same<typeof child.stdin, Writable>(true);
  same<typeof child.stdout, ChildReadable>(true);
  same<typeof child.stderr, ChildReadable>(true);
}

export function named(): void {
  const child = spawn("cat", [], { stdin: "ignore", stdout: "socket", stderr: { dup: 1 } });
  same<typeof child.stdin, null>(true);
  same<typeof child.stdout, ChildDuplex>(true);
  same<typeof child.stderr, null>(true);
}

export function array(): void {
  const child = spawn("cat", { stdio: ["pipe", "inherit", undefined] });
  same<typeof child.stdin, Writable>(true);
  same<typeof child.stdout, null>(true);
  same<typeof child.stderr, ChildReadable>(true);
  const word = spawn("cat", { stdio: "inherit" });
  same<typeof word.stdout, null>(true);
}

export function directions(): void {
  const child = spawn("cat", [], { stdin: { pipe: "w" }, stdout: { pipe: "r" }, fds: { 2: "pipe" } });
  same<typeof child.stdin, Writable>(true);
  same<typeof child.stdout, ChildReadable>(true);
  same<typeof child.stderr, ChildReadable>(true);
}

export function wide(options: SpawnOptions): Child {
  const child = spawn("cat", [], options);
  child.stdin?.write("x");
  void child.stdout?.lines();
  // @ts-expect-error: with options that aren't literal it may be null
  child.stdout.lines();
  return child;
}

export function wideButForOne(options: SpawnOptions): void {
  const child = spawn("cat", [], { ...options, stdin: "ignore", stdout: "pipe" });
  same<typeof child.stdin, null>(true);
  same<typeof child.stdout, ChildReadable>(true);
  same<typeof child.stderr, ChildReadable | ChildDuplex | null>(true);
  const unsure = spawn("cat", [], { ...options, stdout: options.cwd ? "pipe" : undefined });
  same<typeof unsure.stdout, ChildReadable | ChildDuplex | null>(true);
}

export function anyChild(): Child[] {
  return [spawn("cat"), spawn("cat", [], { stdio: "ignore" }), spawn("cat", [], { stdout: "socket", timeout: 5 })];
}

export function wrong(): void {
  // @ts-expect-error: a number is no argument
  spawn("cat", [1]);
  // @ts-expect-error: no such option
  spawn("cat", [], { stdn: "pipe" });
  // @ts-expect-error: a stream of a child has no fd that could be another's
  spawn("cat", [], { stdin: spawn("cat").stdout });
  spawn("cat", [], { stdin: process.stdin, stdout: process.stdout });
  // @ts-expect-error: no such word
  spawn("cat", [], { stdout: "pip" });
}

export async function encodings(): Promise<void> {
  const text = await run("ls");
  same<typeof text.stdout, string>(true);
  const joined = await run("ls", [], { stderr: { dup: 1 } });
  same<typeof joined.stderr, null>(true);
  const bytes = await run("ls", [], { encoding: "buffer" });
  same<typeof bytes.stdout, Buffer>(true);
  const options: RunOptions = {};
  const any = await run("ls", [], options);
  same<typeof any.stdout, string | Buffer | null>(true);
}

export async function results(): Promise<void> {
  const options = { stderr: { dup: 1 }, timeout: 5 } satisfies RunOptions;
  const joined = await run("ls", [], options);
  same<typeof joined.stdout, string>(true);
  same<typeof joined.stderr, null>(true);
  const plain: RunResult<object> = await run("ls");
  same<typeof plain.stdout, string>(true);
  const any: RunResult[] = [plain, joined, await run("ls", [], { encoding: "buffer", stderr: "inherit" })];
  same<(typeof any)[0]["stdout"], string | Buffer | null>(true);
}
