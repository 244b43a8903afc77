/**
 * `brood run` in a real terminal: its modes are as they were, however the command ends or stops.
 */

import assert from "node:assert/strict";
import { ended } from "../helpers/processes.js";
import { BROOD_COMMAND, KEYS, MODES, Terminal } from "../helpers/terminal.js";
import { test } from "../helpers/test.js";

const RAW = "stty raw -echo; echo raw $$";
/** Without a shell that would mend the modes itself. */
const words = (...rest: string[]): string[] => [
  "sh",
  "-c",
  '"$@"; s=$?; echo; echo over $s; read x',
  "sh",
  ...BROOD_COMMAND.split(" "),
  ...rest,
];

const ENDS: [how: string, command: string, end: (pid: number) => void, status: number][] = [
  ["exits", `${RAW}; exit 3`, () => {}, 3],
  ["is killed", `${RAW}; exec sleep 60`, (pid) => process.kill(pid, "SIGKILL"), 137],
  ["runs into its time-out", `${RAW}; exec sleep 60`, () => {}, 124],
];

for (const [how, command, end, status] of ENDS) {
  test(`the modes are restored when the command ${how}`, async () => {
    const flags = status === 124 ? ["--timeout", "300"] : [];
    await using terminal = new Terminal(words("run", ...flags, "--", "sh", "-c", command));
    const before = (await terminal.state()).modes;
    assert.ok(before & MODES.canonical && before & MODES.echo);
    await terminal.until("raw ");
    const pid = Number(await terminal.until("\n"));
    if (status !== 3) assert.equal((await terminal.state()).modes & (MODES.canonical | MODES.echo), 0);
    end(pid);
    await terminal.until(`over ${status}`);
    assert.equal((await terminal.state()).modes, before);
  });

  test(`the same where the command has a group of its own, and ${how}`, async () => {
    const flags = status === 124 ? "--timeout 300" : "";
    await using terminal = await Terminal.shell();
    const before = (await terminal.state()).modes;
    // Bash mends the modes after a job that a signal ended only.
    await terminal.enter(`$BROOD run ${flags} -- sh -c '${command}'; stty -a; echo over`);
    await terminal.until("raw ");
    const pid = Number(await terminal.until("\n"));
    end(pid);
    const modes = await terminal.until("over");
    assert.match(modes, / icanon/);
    assert.match(modes, / echo /);
    await terminal.until("prompt> ");
    assert.equal((await terminal.state()).modes, before);
  });
}

test("a command that could not be started leaves the terminal to the shell", async () => {
  await using terminal = await Terminal.shell();
  const { group } = await terminal.state();
  for (const [flags, status] of [
    ["/nonexistent/file", 127],
    ["--cwd /nonexistent ls", 125],
    ["--nice 99 ls", 125],
  ] as const) {
    await terminal.enter(`$BROOD run ${flags}`);
    await terminal.until("brood: ");
    await terminal.until("prompt> ");
    assert.equal((await terminal.state()).group, group);
    await terminal.enter("echo status $?");
    await terminal.until(`status ${status}\r`);
    await terminal.until("prompt> ");
  }
});

test("Ctrl-Z under a command that reads single keys: the shell has its own modes, fg brings the command's back", async () => {
  await using terminal = await Terminal.shell();
  const outside = (await terminal.state()).modes;
  await terminal.enter(`$BROOD run -- sh -c 'stty -echo -icanon; echo ready; exec cat'`);
  await terminal.until("ready");
  const inside = (await terminal.state()).modes;
  assert.equal(inside & (MODES.canonical | MODES.echo), 0);
  terminal.type(KEYS.suspend);
  await terminal.until("prompt> ");
  assert.equal((await terminal.state()).modes, outside);
  await terminal.enter("fg");
  await terminal.untilState(({ modes }) => modes === inside);
  terminal.type("one key");
  await terminal.until("one key");
  terminal.type(KEYS.interrupt);
  await terminal.until("prompt> ");
  assert.equal((await terminal.state()).modes, outside);
});

test("an interactive shell as the command: it has job control, and when it is killed brood has the terminal again", async () => {
  await using terminal = await Terminal.shell();
  const { group, modes } = await terminal.state();
  await terminal.enter("PS1='inner> ' $BROOD run -- bash --norc --noprofile --noediting -i");
  await terminal.until("inner> ");
  await terminal.enter("echo pid $$; sh -c 'echo asleep; exec sleep 60'");
  await terminal.until("pid ");
  const pid = Number(await terminal.until("\r"));
  await terminal.until("asleep");
  terminal.type(KEYS.suspend);
  await terminal.until("inner> ");
  await terminal.enter("fg");
  await terminal.untilState(({ group }) => group !== pid);
  process.kill(pid, "SIGKILL");
  await terminal.until("prompt> ");
  await ended(pid);
  assert.deepEqual(await terminal.state(), { group, modes });
  await terminal.enter("echo status $?");
  await terminal.until("status 137\r");
});
