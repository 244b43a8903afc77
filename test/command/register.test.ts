/**
 * `brood run --register`: every Node in the tree is on brood's engine, and keeps the NODE_OPTIONS that it had.
 */

import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { spawn } from "brood";
import { BROOD, brood } from "../helpers/command.js";
import { TemporaryFiles } from "../helpers/files.js";
import { test } from "../helpers/test.js";

const node = process.execPath;

/** Says of this process, and of one that it starts, whether the engine is brood's; and what is left of the options. */
const ASK = `
  const { spawn, spawnSync } = require("node:child_process");
  const child = spawn("true");
  const ours = child.brood !== undefined && spawnSync("/no/such/file").error.cause?.name === "SpawnError";
  const below = process.argv[1] === "below" ? undefined : spawnSync(process.execPath, ["-e", process.env.ASK, "below"], { encoding: "utf8" });
  console.log(JSON.stringify({ ours, title: process.title, below: below && JSON.parse(below.stdout) }));`;

interface Answer {
  ours: boolean;
  title: string;
  below?: Answer;
}

const ask = async (words: string[], environment: string[] = []): Promise<Answer> => {
  const flags = ["--env", `ASK=${ASK}`, ...environment.flatMap((pair) => ["--env", pair])];
  const { stdout, stderr, status } = await brood(["run", ...words, ...flags, "--", node, "-e", ASK]);
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "");
  return JSON.parse(stdout) as Answer;
};

test("without --register a Node is on its own engine", async () => {
  const { ours, below } = await ask([], ["NODE_OPTIONS="]);
  assert.deepEqual([ours, below?.ours], [false, false]);
});

test("with it, it is on brood's, and so is one that it starts", async () => {
  const { ours, below } = await ask(["--register"]);
  assert.deepEqual([ours, below?.ours], [true, true]);
});

test("NODE_OPTIONS that are there stay in effect, quotes and all", async () => {
  const { ours, title, below } = await ask(["--register"], ['NODE_OPTIONS=--no-warnings "--title=two words"']);
  assert.deepEqual([ours, title, below?.ours, below?.title], [true, "two words", true, "two words"]);
});

test("in an environment of its own, and twice in one tree", async () => {
  const { stdout } = await brood(["run", "--register", "--clear-env", "--", "/usr/bin/env"]);
  assert.match(stdout, /^NODE_OPTIONS=--import=file:\/\/\/\S*\/register\.mjs\n$/);
  const nested = await brood([
    "run",
    "--register",
    "--unset-env",
    "NODE_OPTIONS",
    "--",
    node,
    BROOD,
    "run",
    "--register",
    "--",
    "sh",
    "-c",
    "echo $NODE_OPTIONS",
  ]);
  assert.match(nested.stdout, /^--import=file:\/\/\/\S*\/register\.mjs\n$/);
});

test("BROOD_REGISTER=off turns it off", async () => {
  assert.equal((await ask(["--register"], ["BROOD_REGISTER=off"])).ours, false);
});

test("a package in a directory whose name has spaces, quotes and a percent sign", async () => {
  const files = new TemporaryFiles();
  const copy = files.path(`a "strange" 100% directory`);
  const root = new URL("../", pathToFileURL(BROOD));
  for (const part of ["bin", "dist", "prebuilds", "package.json"]) {
    cpSync(new URL(part, root), `${copy}/${part}`, { recursive: true });
  }
  const child = spawn(node, [`${copy}/bin/brood.js`, "run", "--register", "--env", `ASK=${ASK}`, "--", node, "-e", ASK], {
    stderr: "inherit",
  });
  const { ours, below } = JSON.parse(await text(child.stdout)) as Answer;
  assert.deepEqual([ours, below?.ours], [true, true]);
  await child.closed;
  files[Symbol.dispose]();
});
