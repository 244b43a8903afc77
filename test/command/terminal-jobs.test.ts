/**
 * `brood run` under the job control of real shells: Ctrl-Z, fg, bg, background jobs, pipelines.
 */

import assert from "node:assert/strict";
import { Fifo } from "../helpers/fifo.js";
import { ended, stateOf } from "../helpers/processes.js";
import { KEYS, Terminal } from "../helpers/terminal.js";
import { test } from "../helpers/test.js";

const SHELLS: [name: string, words: string[] | undefined][] = [
  ["bash", undefined],
  ["dash", ["dash", "-i"]],
];

/** Answers each line that it reads, until "stop". */
const ECHOES = `echo ready; while read x && [ "$x" != stop ]; do echo "got $x"; done; exit 3`;

/**
 * Defines a pause in which bash does not fork. A shell that loops over `sleep` can't be stopped for sure, with brood or
 * without: where the stop comes between its vfork and the exec, its child stops and keeps it waiting in the kernel.
 */
const PAUSES = "exec 3<> <(:); pause() { read -t 0.02 -u 3; true; }";

/** Asks a shell that has given its prompt again until its answer matches: before, an answer would part the echo. */
async function asked(terminal: Terminal, line: string, answer: RegExp): Promise<void> {
  do await terminal.enter(line);
  while (!answer.test(await terminal.until("prompt> ")));
}

/** Types `fg`; resolves when the shell has let go of the terminal: keys would be the shell's before. */
async function foreground(terminal: Terminal): Promise<void> {
  const { group } = await terminal.state();
  terminal.type("fg\n");
  await terminal.untilState((now) => now.group !== group);
}

for (const [name, words] of SHELLS) {
  test(`${name}: Ctrl-Z stops the command and brood, fg resumes both`, async () => {
    await using terminal = await Terminal.shell(words);
    await terminal.enter(`$BROOD run -- sh -c 'echo pids $$ $PPID; ${ECHOES}'`);
    await terminal.until("pids ");
    const pids = (await terminal.until("\r")).split(" ").map(Number);
    for (let round = 0; round < 2; round++) {
      terminal.type(`before ${round}\n`);
      await terminal.until(`got before ${round}`);
      terminal.type(KEYS.suspend);
      await terminal.until("prompt> ");
      assert.deepEqual(pids.map(stateOf), ["T", "T"]);
      assert.notEqual((await terminal.state()).group, pids[0]);
      await terminal.enter("jobs");
      assert.match(await terminal.until("prompt> "), /Stopped/);
      await foreground(terminal);
      terminal.type(`after ${round}\n`);
      await terminal.until(`got after ${round}`);
      assert.equal((await terminal.state()).group, pids[0]);
    }
    terminal.type("stop\n");
    await terminal.until("prompt> ");
    await terminal.enter("echo status $?");
    await terminal.until("status 3\r");
  });

  test(`${name}: bg lets the command go on without the terminal`, async () => {
    await using terminal = await Terminal.shell(words);
    await terminal.enter(`$BROOD run -- bash -c 'n=0; ${PAUSES}; while pause; do n=$((n+1)); echo tick-$n; done'`);
    await terminal.until("tick-2");
    terminal.type(KEYS.suspend);
    await terminal.until("prompt> ");
    const { group } = await terminal.state();
    await terminal.enter("bg");
    await terminal.until("tick-");
    await terminal.until("tick-");
    assert.equal((await terminal.state()).group, group);
    await foreground(terminal);
    await terminal.until("tick-");
    terminal.type(KEYS.interrupt);
    await terminal.until("prompt> ");
    await terminal.enter("echo status $?");
    await terminal.until("status 130\r");
  });

  test(`${name}: a command in the background that reads stops with brood, fg gives it the terminal`, async () => {
    await using terminal = await Terminal.shell(words);
    await terminal.enter(`$BROOD run -- sh -c '${ECHOES}'`);
    await terminal.until("ready");
    terminal.type(KEYS.suspend);
    await terminal.until("prompt> ");
    await terminal.enter("bg");
    await terminal.until("prompt> ");
    await asked(terminal, "jobs", /Stopped/);
    await foreground(terminal);
    terminal.type("words\n");
    await terminal.until("got words");
    terminal.type(KEYS.interrupt);
    await terminal.until("prompt> ");
    await terminal.enter("echo status $?");
    await terminal.until("status 130\r");
  });

  test(`${name}: fg of a job that runs: what is typed and Ctrl-Z reach the command`, async () => {
    await using terminal = await Terminal.shell(words);
    // It reads when it is told to, not before.
    const waits = `go=; trap go=1 USR1; ${PAUSES}; echo pids $$ $PPID; while [ -z "$go" ]; do pause; done`;
    await terminal.enter(`$BROOD run -- bash -c '${waits}; ${ECHOES}'`);
    await terminal.until("pids ");
    const [command, brood] = (await terminal.until("\r")).split(" ").map(Number) as [number, number];
    // Bash sends no SIGCONT to what runs already, so brood does not know that the terminal is its own.
    const front = name === "bash" ? brood : command;
    for (let round = 0; round < 2; round++) {
      terminal.type(KEYS.suspend);
      await terminal.until("prompt> ");
      assert.equal(stateOf(command), "T");
      await terminal.enter("bg");
      await terminal.until("prompt> ");
      while (stateOf(command) === "T") await new Promise(setImmediate);
      await terminal.enter("fg");
      await terminal.untilState(({ group }) => group === front);
    }
    process.kill(command, "SIGUSR1");
    await terminal.until("ready");
    terminal.type("words\n");
    await terminal.until("got words");
    terminal.type("stop\n");
    await terminal.until("prompt> ");
  });

  test(`${name}: pipelines, whose members share a group, neither hang nor stop`, async () => {
    await using terminal = await Terminal.shell(words);
    const lines: [line: string, shows: string][] = [
      ["$BROOD run -- echo one | cat", "one"],
      ["echo two | $BROOD run -- cat", "two"],
      ["echo three | $BROOD run -- cat | $BROOD run -- cat", "three"],
      ["$BROOD run -- sh -c 'read x </dev/tty; echo four $x' | cat", "four typed"],
      ["$BROOD run -- cat </dev/null | sh -c 'read x </dev/tty; echo five $x'", "five typed"],
    ];
    for (const [line, shows] of lines) {
      await terminal.enter(line);
      if (shows.endsWith("typed")) terminal.type("typed\n");
      await terminal.until(shows);
      await terminal.until("prompt> ");
    }
  });

  test(`${name}: Ctrl-Z and Ctrl-C in a pipeline reach all of it`, async () => {
    await using terminal = await Terminal.shell(words);
    await terminal.enter(`$BROOD run -- sh -c 'trap "echo int" INT; echo pid $$; ${ECHOES}' | cat`);
    await terminal.until("pid ");
    const pid = Number(await terminal.until("\r"));
    await terminal.until("ready");
    // The shell waits for its own children alone: one of theirs, if not stopped yet, would read a part of what is typed.
    const stopped = async (): Promise<void> => {
      await terminal.until("prompt> ");
      while (stateOf(pid) !== "T") await new Promise(setImmediate);
    };
    terminal.type(KEYS.suspend);
    await stopped();
    await foreground(terminal);
    terminal.type("words\n");
    await terminal.until("got words");
    terminal.type(KEYS.suspend);
    await stopped();
    await foreground(terminal);
    terminal.type("stop\n");
    await terminal.until("prompt> ");
  });

  test(`${name}: a background job leaves the terminal alone, with its modes`, async () => {
    await using terminal = await Terminal.shell(words);
    const { group } = await terminal.state();
    await terminal.enter("$BROOD run -- sh -c 'read x </dev/tty; echo got $x' &");
    await terminal.until("prompt> ");
    await asked(terminal, "jobs", /Stopped/);
    assert.equal((await terminal.state()).group, group);
    await foreground(terminal);
    terminal.type("words\n");
    await terminal.until("got words");
    await terminal.until("prompt> ");
    assert.equal((await terminal.state()).group, group);
  });

  test(`${name}: a background job that ends leaves the modes as someone else has set them meanwhile`, async () => {
    await using terminal = await Terminal.shell(words);
    await using fifo = new Fifo();
    await terminal.enter(
      `$BROOD run -- sh -c 'go=; trap go=1 USR1; echo $$ $PPID >${fifo.path}; while [ -z "$go" ]; do sleep 0.01; done' &`,
    );
    // What it said on the terminal would part the echo of the next line.
    const [command, brood] = (await fifo.text).split(" ").map(Number) as [number, number];
    await terminal.until("prompt> ");
    await terminal.enter("stty -echok; echo set");
    await terminal.until("set\r");
    const { modes } = await terminal.state();
    process.kill(command, "SIGUSR1");
    await ended(brood);
    assert.equal((await terminal.state()).modes, modes);
  });
}

test("a command that is stopped by SIGSTOP: the shell sees it, fg continues it", async () => {
  await using terminal = await Terminal.shell();
  await terminal.enter(`$BROOD run -- sh -c 'echo pid $$; ${ECHOES}'`);
  await terminal.until("pid ");
  const pid = Number(await terminal.until("\r"));
  process.kill(pid, "SIGSTOP");
  await terminal.until("Stopped");
  await terminal.until("prompt> ");
  await foreground(terminal);
  terminal.type("words\n");
  await terminal.until("got words");
  terminal.type("stop\n");
  await terminal.until("prompt> ");
});

test("in a pipeline, a command that is stopped by SIGSTOP is waited for", async () => {
  await using terminal = await Terminal.shell();
  await terminal.enter(`$BROOD run -- sh -c 'echo pid $$; ${ECHOES}' | cat`);
  await terminal.until("pid ");
  const pid = Number(await terminal.until("\r"));
  process.kill(pid, "SIGSTOP");
  while (stateOf(pid) !== "T") await new Promise(setImmediate);
  process.kill(pid, "SIGCONT");
  terminal.type("words\n");
  await terminal.until("got words");
  terminal.type("stop\n");
  await terminal.until("prompt> ");
});
