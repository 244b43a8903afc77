/**
 * `brood run` in a real terminal: its modes are as they were, however the command ends or stops.
 */

import assert from "node:assert/strict";
import { withLimit } from "../helpers/limits.js";
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

/** Waits for the command's word; gives its pid. Of a time-out the word is looked for afterwards. */
async function untilRaw(terminal: Terminal): Promise<number> {
  await terminal.until("raw ");
  return Number(await terminal.until("\n"));
}

for (const [how, command, end, status] of ENDS) {
  const timed = status === 124;

  test(`the modes are restored when the command ${how}`, () =>
    withLimit(300, async (ms) => {
      const flags = timed ? ["--timeout", `${ms}`] : [];
      await using terminal = new Terminal(words("run", ...flags, "--", "sh", "-c", command));
      const before = (await terminal.state()).modes;
      assert.ok(before & MODES.canonical && before & MODES.echo);
      if (!timed) {
        const pid = await untilRaw(terminal);
        if (status === 137) assert.equal((await terminal.state()).modes & (MODES.canonical | MODES.echo), 0);
        end(pid);
      }
      await terminal.until(`over ${status}`);
      assert.equal((await terminal.state()).modes, before);
      return terminal.output.includes("raw ");
    }));

  test(`the same where the command has a group of its own, and ${how}`, () =>
    withLimit(300, async (ms) => {
      const flags = timed ? `--timeout ${ms}` : "";
      await using terminal = await Terminal.shell();
      const before = (await terminal.state()).modes;
      // Bash mends the modes after a job that a signal ended only.
      await terminal.enter(`$BROOD run ${flags} -- sh -c '${command}'; stty -a; echo over`);
      if (!timed) end(await untilRaw(terminal));
      const said = await terminal.until("over");
      assert.match(said, / icanon/);
      assert.match(said, / echo /);
      await terminal.until("prompt> ");
      assert.equal((await terminal.state()).modes, before);
      return !timed || said.includes("raw ");
    }));
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
