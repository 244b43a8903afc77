/**
 * Uses zx broadly, and prints what came of each use. Run by scripts/packages.mjs, where zx is installed.
 */

import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { $, cd, ProcessOutput, ProcessPromise, retry, tmpfile, which, within } from "zx";

$.verbose = false;

/** What of a result is the same each time. */
const told = ({ stdout, stderr, exitCode, signal }) => ({ stdout, stderr, exitCode, signal });
const failureOf = (promise) => promise.then(told, (error) => ({ thrown: error instanceof ProcessOutput, ...told(error) }));
/** A command that has said this is there: what is done to it then can't come too early. */
const said = async (promise) => String((await once(promise.stdout, "data"))[0]);

const USES = {
  "standard output, standard error and the exit code": async () => told(await $`echo out; echo err >&2`),
  "arguments are quoted": async () => told(await $`printf '<%s>' ${["a b", "c'd", "$HOME", ""]} ${'"'} ${5}`),
  "an argument that is a process": async () => told(await $`echo ${$`echo inner`} ${await $`echo awaited`}`),
  "a failure is thrown": () => failureOf($`echo out; echo err >&2; exit 7`),
  "nothrow gives it": async () => told(await $`exit 8`.nothrow()),
  "nothrow as an option": async () => told(await $({ nothrow: true })`exit 9`),
  "quiet and verbose": async () => [told(await $`echo a`.quiet()), told(await $({ quiet: true })`echo b`)],
  "a command that isn't there": async () => (await $`no-such-command`.nothrow()).exitCode,
  "a directory that isn't there": async () => (await $({ cwd: "/nowhere", nothrow: true })`true`).ok,
  "an end by a signal": async () => told(await $`kill -KILL $$`.nothrow()),
  "input as an option": async () => told(await $({ input: "some input" })`cat`),
  "input from a process": async () => told(await $({ input: await $`echo passed` })`cat`),
  "writing to stdin": async () => {
    const cat = $`cat`;
    cat.stdin.write("first ");
    cat.stdin.end("second");
    return told(await cat);
  },
  "pipes from process to process": async () => told(await $`echo hello`.pipe($`tr a-z A-Z`).pipe($`rev`)),
  "pipes as templates": async () => told(await $`printf 'b\na\n'`.pipe`sort`.pipe`head -1`),
  "a pipe of standard error": async () => told(await $`echo err >&2`.pipe.stderr`cat`),
  "a pipe that fails": () => failureOf($`echo a; exit 3`.pipe($`cat`)),
  "one process into two": async () => {
    const from = $`echo both`;
    return (await Promise.all([from.pipe`cat`, from.pipe`rev`])).map(told);
  },
  "a pipe into a file": async () => {
    const file = tmpfile();
    await $`printf filed`.pipe(createWriteStream(file));
    return readFile(file, "utf8");
  },
  "from a stream of its": async () => text($`printf 'from the stream'`.stdout),
  lines: async () => $`printf 'a\nb\n'`.lines(),
  "text, JSON, bytes": async () => [
    await $`printf t`.text(),
    await $`printf '{"a":1}'`.json(),
    [...(await $`printf '\\377'`.buffer())],
    (await (await $`printf bb`.blob()).arrayBuffer()).byteLength,
  ],
  "iterating over lines": async () => {
    const lines = [];
    for await (const line of $`printf 'one\ntwo\nthree'`) lines.push(line);
    return lines;
  },
  "cd and within": async () => {
    const before = process.cwd();
    const inside = await within(async () => {
      cd("/");
      $.env = { ...process.env, GIVEN: "given" };
      return (await $`pwd; echo $GIVEN`).stdout;
    });
    return [inside, (await $`pwd`).stdout.trim() === before, (await $`env | grep -c ^GIVEN=`.nothrow()).stdout];
  },
  presets: async () => {
    const there = $({ cwd: "/", env: { ...process.env, PRESET: "1" } });
    return [told(await there`pwd; echo $PRESET`), told(await there({ nothrow: true })`exit 4`)];
  },
  stdio: async () => {
    const child = $({ stdio: ["ignore", "pipe", "ignore"] })`cat; echo out; echo err >&2`;
    return told(await child);
  },
  synchronously: () => [told($.sync`echo sync`), told($({ sync: true, nothrow: true })`echo err >&2; exit 5`)],
  "synchronously with input": () => told($.sync({ input: "in" })`cat`),
  kill: async () => {
    const child = $`echo up; exec sleep 60`.nothrow();
    await said(child);
    await child.kill("SIGINT");
    return told(await child);
  },
  // It holds the standard output, whose end is waited for.
  "kill reaches grandchildren": async () => {
    const child = $`sleep 60 & echo up; wait`.nothrow();
    await said(child);
    await child.kill("SIGKILL");
    return (await child).stdout;
  },
  timeout: async () => {
    const { exitCode, signal } = await $`exec sleep 60`.timeout("100ms", "SIGTERM").nothrow();
    return [exitCode, signal];
  },
  "timeout that is not reached": async () => told(await $({ timeout: "60s" })`echo in time`),
  abort: async () => {
    const controller = new AbortController();
    const child = $({ signal: controller.signal, nothrow: true })`echo up; exec sleep 60`;
    await said(child);
    controller.abort("enough");
    return (await child).signal;
  },
  detached: async () => {
    const child = $({ detached: true })`ps -o pgid= -p $$; echo $$`;
    const [group, pid] = (await child.lines()).map((line) => line.trim());
    return group === pid;
  },
  "halted and run": async () => {
    const child = $({ halt: true })`echo run`;
    const before = child.stage;
    return [before, told(await child.run()), child.stage];
  },
  "what it is while it runs": async () => {
    const child = $`echo up; read line; echo $line`;
    const during = [child instanceof ProcessPromise, typeof child.pid, child.stage, await said(child)];
    child.stdin.end("go on\n");
    return [...during, (await child).exitCode, child.stage];
  },
  retry: async () => {
    let times = 0;
    const result = await retry(3, () => (++times < 3 ? $`exit 1` : $`echo third`));
    return [times, told(result)];
  },
  "a lot of output": async () => {
    const { stdout } = await $`head -c 3000000 /dev/zero | tr '\\0' x`;
    return [stdout.length, /^x+$/.test(stdout)];
  },
  "many at once": async () =>
    (await Promise.all(Array.from({ length: 40 }, (_, i) => $`echo ${i}`))).map(({ stdout }) => Number(stdout)),
  "one after the other": async () => {
    for (let i = 0; i < 40; i++) if ((await $`exit 0`).exitCode !== 0) return i;
    return "all";
  },
  "which, and another shell": async () => [typeof (await which("sh")), told(await $({ shell: "/bin/sh", prefix: "" })`echo $0`)],
};

const results = {};
for (const [use, run] of Object.entries(USES)) {
  try {
    results[use] = await run();
  } catch (error) {
    results[use] = `${error.name}: ${error.message}`;
  }
}
console.log(JSON.stringify(results));
