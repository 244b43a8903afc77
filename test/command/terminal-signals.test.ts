/**
 * `brood run` in a real terminal: who has it, what Ctrl-C, a new window size and a hang-up do, in both of the
 * ways in which the command can stand in the terminal's job control.
 */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { Fifo } from "../helpers/fifo.js";
import { ended, isPending } from "../helpers/processes.js";
import { BROOD_COMMAND, KEYS, Terminal } from "../helpers/terminal.js";
import { test } from "../helpers/test.js";

/** Ends with status 5 a while after the first SIGINT, and tells how many there were. */
const COUNTS = `n=0; trap 'n=$((n+1)); echo int $n' INT; echo ready $$; while [ $n = 0 ]; do sleep 0.01; done; sleep 0.2; echo total $n; exit 5`;

/** As a shell's job, the command has a group of its own; as the session's leader brood shares its own. */
const PLACES: [where: string, start: (command: string) => Promise<Terminal>][] = [
  [
    "as a job of a shell",
    async (command) => {
      const terminal = await Terminal.shell();
      await terminal.enter(`$BROOD run -- sh -c '${command.replaceAll("'", "'\\''")}'; exit`);
      return terminal;
    },
  ],
  ["as the session's leader", async (command) => new Terminal([...BROOD_COMMAND.split(" "), "run", "--", "sh", "-c", command])],
  [
    "in a script",
    async (command) => {
      const terminal = await Terminal.shell();
      const script = `trap : INT; $BROOD run -- sh -c "$COMMAND"; exit $?`;
      await terminal.enter(`export COMMAND='${command.replaceAll("'", "'\\''")}'`);
      await terminal.until("prompt> ");
      await terminal.enter(`sh -c '${script}'; exit`);
      return terminal;
    },
  ],
];

for (const [where, start] of PLACES) {
  test(`${where}: the command has the terminal and its foreground`, async () => {
    await using terminal = await start('set -- $(cat /proc/$$/stat); echo group $5 front $8 end; read x; echo "got $x"; exit 3');
    await terminal.until("group ");
    const [group, front] = (await terminal.until(" end")).split(" front ");
    assert.equal(group, front);
    assert.equal((await terminal.state()).group, Number(group));
    terminal.type("words\n");
    await terminal.until("got words");
    assert.equal(await terminal.end(), 3);
  });

  test(`${where}: Ctrl-C reaches the command once, and brood waits for it`, async () => {
    await using terminal = await start(COUNTS);
    await terminal.until("ready");
    terminal.type(KEYS.interrupt);
    await terminal.until("int 1");
    await terminal.until("total 1");
    assert.equal(await terminal.end(), 5);
  });

  test(`${where}: a command that Ctrl-C or Ctrl-\\ ends gives 128+n`, async () => {
    for (const [key, signal] of [
      [KEYS.interrupt, 2],
      [KEYS.quit, 3],
    ] as const) {
      await using terminal = await start("ulimit -c 0; echo ready; exec sleep 60");
      await terminal.until("ready");
      terminal.type(key);
      assert.equal(await terminal.end(), 128 + signal);
    }
  });

  test(`${where}: a new window size arrives, once`, async () => {
    await using terminal = await start(
      `n=0; trap 'n=$((n+1)); echo size $(stty size)' WINCH; echo ready; while [ $n = 0 ]; do sleep 0.01; done; sleep 0.2; echo total $n; exit 4`,
    );
    await terminal.until("ready");
    terminal.resize(50, 132);
    await terminal.until("size 50 132");
    await terminal.until("total 1");
    assert.equal(await terminal.end(), 4);
  });
}

test("SIGINT from another process is passed on in a terminal, too", async () => {
  for (const [, start] of PLACES) {
    await using terminal = await start(`echo brood $PPID;${COUNTS}`);
    await terminal.until("brood ");
    const pid = Number(await terminal.until("\r"));
    await terminal.until("ready");
    process.kill(pid, "SIGINT");
    await terminal.until("total 1");
    assert.equal(await terminal.end(), 5);
  }
});

test("--interrupt-twice: the second Ctrl-C ends the command", async () => {
  const stubborn = `trap "echo [int]" INT; trap "echo [term]; exit 8" TERM; echo brood $PPID; while :; do sleep 0.01; done`;
  const command = `run --interrupt-twice --force-kill-after 60s --report -- sh -c '${stubborn}'`;
  await using terminal = await Terminal.shell();
  await terminal.enter(`$BROOD ${command}; exit`);
  await terminal.until("brood ");
  const pid = Number(await terminal.until("\r"));
  terminal.type(KEYS.interrupt);
  await terminal.until("[int]");
  // Two that come before brood gets to run are one to the kernel.
  while (isPending(pid, constants.signals.SIGINT)) await new Promise(setImmediate);
  terminal.type(KEYS.interrupt);
  await terminal.until("[term]");
  await terminal.until("terminated");
  assert.equal(await terminal.end(), 8);
});

test("a second Ctrl-C without --interrupt-twice is the command's alone", async () => {
  await using terminal = await Terminal.shell();
  await terminal.enter(
    `$BROOD run -- sh -c 'n=0; trap "n=\\$((n+1)); echo int \\$n" INT; echo ready; while [ $n != 2 ]; do sleep 0.01; done; exit 6'; exit`,
  );
  await terminal.until("ready");
  terminal.type(KEYS.interrupt);
  await terminal.until("int 1");
  terminal.type(KEYS.interrupt);
  await terminal.until("int 2");
  assert.equal(await terminal.end(), 6);
});

test("a hang-up is told to the command once, and brood waits for it", async () => {
  await using fifo = new Fifo();
  const counts = `n=0; trap 'n=$((n+1))' HUP; echo ready; while [ $n = 0 ]; do sleep 0.01; done; sleep 0.2; echo total $n >${fifo.path}; exit 7`;
  await using terminal = new Terminal([...BROOD_COMMAND.split(" "), "run", "--", "sh", "-c", counts]);
  await terminal.until("ready");
  terminal.hangup();
  assert.equal(await fifo.text, "total 1\n");
  assert.equal(await terminal.end(), 7);
});

test("a terminal that has hung up before brood looks at it: the command runs, and brood gives its status", async () => {
  await using fifo = new Fifo();
  const gone = `trap "" HUP; echo ready; while :; do read x || break; done; ${BROOD_COMMAND} run -- sh -c 'exit 9'`;
  await using terminal = new Terminal(["sh", "-c", `${gone}; echo status $? >${fifo.path}`]);
  await terminal.until("ready");
  terminal.hangup();
  assert.equal(await fifo.text, "status 9\n");
  await terminal.end();
});

test("a hang-up under a shell ends the command, and brood", async () => {
  await using fifo = new Fifo();
  await using terminal = await Terminal.shell();
  await terminal.enter(
    // The shell sends one, and when it ends the kernel another.
    `$BROOD run -- sh -c 'trap "trap : HUP; echo hup >${fifo.path}; exit 0" HUP; echo brood $PPID; while :; do sleep 0.01; done'`,
  );
  await terminal.until("brood ");
  const pid = Number(await terminal.until("\r"));
  terminal.hangup();
  assert.equal(await fifo.text, "hup\n");
  await terminal.end();
  await ended(pid);
});
