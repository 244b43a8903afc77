/**
 * Programs that people run, which start others in ways of their own: nothing of them is left.
 */

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { childPath } from "../helpers/children.js";
import { withMark } from "../helpers/contained.js";
import { launch } from "../helpers/launch.js";
import { ended } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

/** Says that it is there, and stays. */
const SERVER = `${childPath("act")} say 1 up pause`;

interface Program {
  args: string[];
  /** Files that it needs in its directory. */
  files?: Record<string, string>;
  /** What it says when all of it runs: so many lines of a server, or of its own. */
  ready: { lines: number; like: RegExp };
}

const up = (lines: number): Program["ready"] => ({ lines, like: /^up$/ });
const shell = (script: string, lines: number, name = "sh"): Program => ({ args: [name, "-c", script], ready: up(lines) });

const programs: Record<string, Program> = {
  "npm start, whose script starts two servers": {
    args: ["npm", "start", "--silent"],
    files: { "package.json": JSON.stringify({ scripts: { start: `${SERVER} & ${SERVER} & wait` } }) },
    ready: up(2),
  },
  "make -j4 with four recipes that run two programs each": {
    args: ["make", "-s", "-j4", "a", "b", "c", "d"],
    files: { Makefile: `a b c d:\n\t@${SERVER} & ${SERVER}\n.PHONY: a b c d\n` },
    ready: up(8),
  },
  "a shell that leaves two behind by nohup": shell(`nohup ${SERVER} & nohup ${SERVER} & exec ${SERVER}`, 3, "bash"),
  "a shell that leaves two behind by setsid -f": shell(`setsid -f ${SERVER}; setsid -f ${SERVER}; exec ${SERVER}`, 3),
  "a daemon: fork, setsid, fork": shell(`(setsid sh -c '${SERVER} &' &); exec ${SERVER}`, 2),
};

const CHROMIUM = "/usr/bin/chromium";
if (existsSync(CHROMIUM)) {
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=profile", "--remote-debugging-port=0"];
  // It tells so on stderr.
  const args = ["sh", "-c", 'exec "$@" 2>&1', "sh", CHROMIUM, ...flags, "about:blank"];
  programs["a headless Chromium"] = { args, ready: { lines: 1, like: /^DevTools listening/ } };
}

for (const contain of ["cgroup", "keeper", "namespace"] as const) {
  for (const [name, { args, files = {}, ready }] of Object.entries(programs)) {
    test(`${contain}: ${name}`, () =>
      withMark(async (mark) => {
        const cwd = mkdtempSync(join(tmpdir(), "brood-test-"));
        try {
          for (const [file, text] of Object.entries(files)) writeFileSync(join(cwd, file), text);
          const [file = "", ...rest] = args;
          const env = { ...mark.env, npm_config_update_notifier: "false" };
          const child = await launch(file, rest, { contain, cwd, env, stderr: "ignore", forceKillAfterDelay: 100 });
          let seen = 0;
          for await (const line of child.stdout.lines()) if (ready.like.test(line) && ++seen === ready.lines) break;
          assert.equal(seen, ready.lines);
          assert.ok(mark.living().length >= ready.lines);
          await child.terminate();
          await child.closed;
          // A machine under load may need longer for the end of so many than what has got SIGKILL is waited for.
          for (const { pid } of child.containment?.survivors ?? []) await ended(pid);
          assert.deepEqual(mark.living(), []);
        } finally {
          rmSync(cwd, { recursive: true, force: true, maxRetries: 5 });
        }
      }));
  }
}
