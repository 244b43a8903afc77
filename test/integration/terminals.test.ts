/**
 * Pseudo-terminals of brood/posix, with real commands on them.
 */

import assert from "node:assert/strict";
import { fstatSync, writeSync } from "node:fs";
import { type Child, spawn } from "brood";
import { close, openpty, tcsetwinsize, type WindowSize } from "brood/posix";
import { TemporaryFiles } from "../helpers/files.js";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

/** A shell's script on a new terminal: what it shows, and what is typed. */
class OnTerminal {
  readonly master: number;
  readonly child: Child;
  /** All of it has been shown. */
  readonly over: Promise<void>;
  shown = "";
  readonly #screen;
  #look = (): void => {};

  constructor(script: string, size?: WindowSize) {
    const [master, slave] = openpty(size);
    this.master = master;
    this.#screen = spawn("cat", [], { stdin: master, stderr: "ignore" });
    this.child = spawn("bash", ["-c", script], { stdio: [slave, slave, slave], session: true, controllingTerminal: true });
    close(slave);
    this.over = this.#watch();
  }

  async #watch(): Promise<void> {
    for await (const chunk of this.#screen.stdout) {
      this.shown += chunk;
      this.#look();
    }
  }

  type(text: string): void {
    writeSync(this.master, text);
  }

  until(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#look = () => {
        if (this.shown.includes(text)) resolve();
      };
      this.#look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    close(this.master);
    await this.child[Symbol.asyncDispose]();
    await this.#screen[Symbol.asyncDispose]();
    this.child[Symbol.dispose]();
  }
}

test("a child on a pseudo-terminal finds a terminal, of that size, that is its controlling one", async () => {
  await using on = new OnTerminal("test -t 0 -a -t 1 -a -t 2 && stty size; stty size </dev/tty; exit 3", {
    columns: 132,
    rows: 43,
  });
  await on.over;
  assert.equal(on.shown, "43 132\r\n43 132\r\n");
  const exit = await on.child.exited;
  assert.equal(exit.kind === "exited" && exit.code, 3);
});

test("the usual size is 80 by 24, and one side that is given leaves the other as usual", async () => {
  for (const [size, said] of [
    [undefined, "24 80"],
    [{ rows: 50 }, "50 80"],
  ] as const) {
    await using on = new OnTerminal("stty size", size);
    await on.over;
    assert.equal(on.shown, `${said}\r\n`);
  }
});

test("what is typed is read, with the terminal's echo or without it", async () => {
  await using on = new OnTerminal("read -p 'name? ' name; read -sp 'word? ' word; echo; echo $name $word");
  await on.until("name? ");
  on.type("ann\n");
  await on.until("word? ");
  on.type("secret\n");
  await on.over;
  assert.equal(on.shown, "name? ann\r\nword? \r\nann secret\r\n");
});

test("a change of the window's size is told by SIGWINCH; Ctrl-C interrupts", async () => {
  await using on = new OnTerminal(
    "trap 'stty size' WINCH; trap 'echo interrupted; exit 0' INT; echo up; while :; do read -t 0.1; done",
  );
  await on.until("up");
  tcsetwinsize(on.master, { columns: 90, rows: 10 });
  await on.until("10 90");
  on.type("\x03");
  await on.until("interrupted");
  await on.over;
});

test("all that was written before the end is there, however much and however soon the end came", async () => {
  await using on = new OnTerminal("seq 20000");
  await on.over;
  const lines = on.shown.split("\r\n");
  assert.deepEqual([lines.length, lines[0], lines[19999]], [20001, "1", "20000"]);
});

test("both ends are close-on-exec, and nobody's controlling terminal; what is no terminal has no size", async () => {
  const [master, slave] = openpty();
  await using child = spawn("ls", ["/proc/self/fd"], { closeFds: false });
  const fds = (await child.stdout.text()).split("\n");
  assert.ok(!fds.includes(`${master}`) && !fds.includes(`${slave}`), `${fds}`);
  assert.ok(fstatSync(slave).isCharacterDevice());
  await using tty = spawn("sh", ["-c", "true </dev/tty"], { session: true, stdin: slave, stderr: "ignore" });
  const exit = await tty.exited;
  assert.notEqual(exit.kind === "exited" && exit.code, 0);
  writeSync(slave, "x");
  close(slave);
  close(master);
  using files = new TemporaryFiles();
  const [file] = files.open(1) as [number];
  assert.throws(() => tcsetwinsize(file, {}), { code: "ENOTTY", syscall: "ioctl" });
});

test("where only one fd is left there is no terminal, and that fd is free again", async () => {
  const [code, left] = await inNode<[string, number]>(`
    const NOFILE = 7;
    const top = fs.openSync("/dev/null", "r");
    fs.closeSync(top);
    self.limit(NOFILE, top + 1);
    let code;
    try {
      posix.openpty();
    } catch (error) {
      code = error.syscall + " " + error.code;
    }
    const again = fs.openSync("/dev/null", "r");
    done([code, again - top]);
  `);
  assert.deepEqual([code, left], ["openpty EMFILE", 0]);
});
