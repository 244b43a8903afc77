/**
 * A real pseudo-terminal with a user at it, by test/children/terminal.c.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { childPath } from "./children.js";
import { BROOD } from "./command.js";
import { describeTree } from "./process-tree.js";
import { SLOWNESS } from "./slowness.js";

/** Bits of struct termios, c_lflag. */
export const MODES = { canonical: 2, echo: 8 } as const;

/** What the keys send. */
export const KEYS = { interrupt: "\x03", suspend: "\x1a", quit: "\x1c", end: "\x04" } as const;

/** Gives a shell variable's worth of `brood`: two words without special characters. */
export const BROOD_COMMAND = `${process.execPath} ${BROOD}`;

const GUARD_MS = 20_000 * SLOWNESS;

export class Terminal {
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  #output = "";
  #read = 0;
  #states: [group: number, modes: number][] = [];
  #stops: number[] = [];
  #end: number | undefined;
  #over = false;
  #waiting: (() => void)[] = [];

  /** Runs words as a session's leader on a new terminal. */
  constructor(words: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const child = spawn(childPath("terminal"), words, {
      env: { ...process.env, TERM: "dumb", ...env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#process = child;
    this.#closed = once(child, "close");
    child.stdin.on("error", () => {});
    let rest = "";
    child.stdout.setEncoding("latin1").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() as string;
      for (const line of lines) this.#hear(line.split(" "));
      this.#tell();
    });
    child.on("close", () => {
      this.#over = true;
      this.#tell();
    });
  }

  /** An interactive shell with job control, whose prompt has appeared. `$BROOD` is the command. */
  static async shell(words: readonly string[] = ["bash", "--norc", "--noprofile", "--noediting", "-i"]): Promise<Terminal> {
    const terminal = new Terminal(words, { PS1: "prompt> ", PS2: "", BROOD: BROOD_COMMAND, HISTFILE: undefined, ENV: undefined });
    await terminal.until("prompt> ");
    return terminal;
  }

  /** Everything that has appeared. */
  get output(): string {
    return this.#output;
  }

  /** Types text. */
  type(text: string): void {
    this.#send(`type ${Buffer.from(text, "latin1").toString("hex")}`);
  }

  /** Types a line, and reads on behind its echo. */
  async enter(line: string): Promise<void> {
    this.type(`${line}\n`);
    await this.until(`${line}\r\n`);
  }

  /** Resolves when this text has appeared behind what was read; gives what stood before it. */
  async until(text: string): Promise<string> {
    for (;;) {
      const at = this.#output.indexOf(text, this.#read);
      if (at >= 0) {
        const before = this.#output.slice(this.#read, at);
        this.#read = at + text.length;
        return before;
      }
      await this.#news(JSON.stringify(text));
    }
  }

  /** Gives the foreground group and the local modes. */
  async state(): Promise<{ group: number; modes: number }> {
    this.#send("state");
    const [group, modes] = (await this.#next(() => this.#states.shift())) as [number, number];
    return { group, modes };
  }

  /** Asks for the state again until it is as wanted. */
  async untilState(wanted: (state: { group: number; modes: number }) => boolean): Promise<void> {
    const start = performance.now();
    for (;;) {
      const state = await this.state();
      if (wanted(state)) return;
      if (performance.now() - start > GUARD_MS) {
        const seen = `after ${JSON.stringify(this.#output)}, of which ${this.#read} were read`;
        throw new Error(`the terminal stays as ${JSON.stringify(state)}, ${seen}\n${describeTree(this.#process.pid as number)}`);
      }
      await new Promise(setImmediate);
    }
  }

  resize(rows: number, columns: number): void {
    this.#send(`size ${rows} ${columns}`);
  }

  /** Closes the window. */
  hangup(): void {
    this.#send("hangup");
  }

  /** Gives the signal that stopped the leader. */
  stopped(): Promise<number> {
    return this.#next(() => this.#stops.shift());
  }

  /** Gives the leader's exit status; 128+n if a signal ended it. */
  async end(): Promise<number> {
    const status = await this.#next(() => this.#end);
    return (status & 0x7f) === 0 ? status >> 8 : 128 + (status & 0x7f);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin?.end();
    await this.#closed;
  }

  async #next<T>(take: () => T | undefined): Promise<T> {
    for (;;) {
      const value = take();
      if (value !== undefined) return value;
      await this.#news("an answer");
    }
  }

  /** Waits for whatever comes. The time limit only guards: it says what was seen where nothing comes any more. */
  #news(wanted: string): Promise<void> {
    const missing = (why: string) =>
      new Error(
        `${wanted} never came, ${why}, after ${JSON.stringify(this.#output.slice(this.#read))}\n${describeTree(this.#process.pid as number)}`,
      );
    if (this.#over) return Promise.reject(missing("the terminal is over"));
    return new Promise((resolve, reject) => {
      const guard = setTimeout(() => reject(missing("it is too late")), GUARD_MS);
      this.#waiting.push(() => {
        clearTimeout(guard);
        resolve();
      });
    });
  }

  #send(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  #hear([word, first, second]: string[]): void {
    if (word === "out") this.#output += Buffer.from(first as string, "hex").toString("latin1");
    else if (word === "state") this.#states.push([Number(first), Number(second)]);
    else if (word === "stopped") this.#stops.push(Number(first));
    else if (word === "end") this.#end = Number(first);
  }

  #tell(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
