/**
 * The child's environment: a snapshot of ours with overrides, byte for byte.
 */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import type { EnvironmentLike } from "brood";
import { TemporaryFiles } from "../helpers/files.js";
import { inNode } from "../helpers/in-node.js";
import { launch } from "../helpers/launch.js";
import { reportOf } from "../helpers/report.js";
import { test } from "../helpers/test.js";

/** The environment of a child, sorted, without a sanitizer's preloading. */
async function environmentOf(env: EnvironmentLike | undefined, extendEnv = true): Promise<string[]> {
  return (await reportOf({ env, extendEnv })).environ.toSorted();
}

const byLatin1 = (entry: string): string => Buffer.from(entry).toString("latin1");

test("without env it is our own, as it is at the spawn", async () => {
  process.env["BROOD_TEST"] = "grüße=1";
  try {
    const ours = Object.entries(process.env).filter(([name]) => name !== "LD_PRELOAD");
    assert.deepEqual(await environmentOf(undefined), ours.map(([name, value]) => byLatin1(`${name}=${value}`)).toSorted());
    process.env["BROOD_TEST"] = "changed";
    assert.ok((await environmentOf(undefined)).includes("BROOD_TEST=changed"));
  } finally {
    delete process.env["BROOD_TEST"];
  }
  assert.ok((await environmentOf(undefined)).every((entry) => !entry.startsWith("BROOD_TEST=")));
});

test("env is laid over it: added, replaced, removed by undefined; the rest stays", async () => {
  const before = await environmentOf(undefined);
  const after = await environmentOf({
    BROOD_ONE: "1",
    HOME: "/elsewhere",
    PATH: undefined,
    BROOD_NONE: undefined,
    BROOD_EMPTY: "",
  });
  const kept = before.filter((entry) => !/^(HOME|PATH)=/.test(entry));
  assert.deepEqual(after, [...kept, "BROOD_ONE=1", "HOME=/elsewhere", "BROOD_EMPTY="].toSorted());
});

test("a name that another begins with is another name", async () => {
  process.env["BROOD_LONGER"] = "kept";
  try {
    const after = await environmentOf({ BROOD_LONG: "x", BROOD_LONGER_STILL: undefined });
    assert.ok(after.includes("BROOD_LONG=x"));
    assert.ok(after.includes("BROOD_LONGER=kept"));
  } finally {
    delete process.env["BROOD_LONGER"];
  }
});

test("extendEnv: false gives exactly env, also an empty one", async () => {
  assert.deepEqual(await environmentOf({ A: "1", B: "=", C: "" }, false), ["A=1", "B==", "C="]);
  assert.deepEqual(await environmentOf({}, false), []);
  assert.deepEqual(await environmentOf(undefined, false), []);
  assert.deepEqual(await environmentOf({ GONE: undefined }, false), []);
});

test("values and names are bytes where bytes are given, and pairs give an order", async () => {
  const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");
  const pairs: [string | Uint8Array, string | Uint8Array | undefined][] = [
    ["B", latin1("\xff\xfe")],
    [latin1("N\xe4me"), latin1("\x80")],
    ["A", "ä"],
    ["B", "the last one counts"],
    [Buffer.from("A2"), "mixed"],
  ];
  const report = await reportOf({ env: pairs, extendEnv: false });
  assert.deepEqual(report.environ.toSorted(), ["A2=mixed", byLatin1("A=ä"), "B=the last one counts", "N\xe4me=\x80"].toSorted());
  assert.deepEqual((await reportOf({ env: { V: latin1("\xff") }, extendEnv: false })).environ, ["V=\xff"]);
  assert.deepEqual((await reportOf({ env: new Map([["M", "map"]]), extendEnv: false })).environ, ["M=map"]);
});

test("what is no variable is refused", async () => {
  const refused: unknown[] = [
    { "": "x" },
    { "A=B": "x" },
    { A: "nul\0" },
    { "A\0": "x" },
    { A: 1 },
    { A: "\ud800" },
    "A=1",
    [["A"]],
  ];
  for (const env of refused) await assert.rejects(launch("true", [], { env: env as EnvironmentLike }), TypeError);
});

/** A variable that is not UTF-8, which JavaScript can neither write nor read. */
const RAW = { wrapper: ["sh", "-c", `BROOD_RAW=$(printf 'a\\377\\376=\\200'); export BROOD_RAW; exec "$@"`, "sh"] };

test("bytes of ours that are not UTF-8 pass unchanged, with and without overrides", async () => {
  const [plain, over, mangled] = await inNode<[string[], string[], boolean]>(
    `const plain = await launch("env", ["-0"]);
    const one = await plain.output({ encoding: "buffer" });
    const over = await launch("env", ["-0"], { env: { BROOD_OTHER: "1" } });
    const two = await over.output({ encoding: "buffer" });
    const pick = ({ stdout }) => stdout.toString("latin1").split("\\0").filter((entry) => /^BROOD_(RAW|OTHER)/.test(entry));
    done([pick(one), pick(two), process.env.BROOD_RAW.includes("\\ufffd")]);`,
    RAW,
  );
  assert.deepEqual(plain, ["BROOD_RAW=a\xff\xfe=\x80"]);
  assert.deepEqual(over.toSorted(), ["BROOD_OTHER=1", "BROOD_RAW=a\xff\xfe=\x80"]);
  assert.equal(mangled, true);
});

test("a PATH of ours that is not UTF-8 is searched as it is", async () => {
  using files = new TemporaryFiles();
  const directory = Buffer.concat([Buffer.from(`${files.directory}/`), Buffer.from([0xff])]);
  mkdirSync(directory);
  writeFileSync(Buffer.concat([directory, Buffer.from("/broodtool")]), "#!/bin/sh\necho found\n", { mode: 0o755 });
  const found = await inNode<string>(`done((await (await launch("broodtool")).output()).stdout);`, {
    wrapper: ["sh", "-c", `PATH=$(printf '%s/\\377:%s' "$0" "$PATH"); export PATH; exec "$@"`, files.directory],
  });
  assert.equal(found, "found\n");
});

test("in a worker it is that worker's process.env", async () => {
  const [shared, own] = await inNode<[string[], string[]]>(
    `import { Worker } from "node:worker_threads";
    import { once } from "node:events";
    const code = \`
      import { parentPort } from "node:worker_threads";
      import { reportOf } from ${JSON.stringify(import.meta.resolve("../helpers/report.js"))};
      process.env.BROOD_IN_WORKER = "set there";
      const { environ } = await reportOf({ env: { BROOD_OVER: "1", BROOD_GONE: undefined } });
      parentPort.postMessage(environ);\`;
    const environOf = async (options) => {
      const worker = new Worker(code, { eval: true, ...options });
      const [[environ]] = await Promise.all([once(worker, "message"), once(worker, "exit")]);
      return environ.filter((entry) => entry.startsWith("BROOD_") && !/^BROOD_(CLONE|NATIVE)/.test(entry)).sort();
    };
    process.env.BROOD_MAIN = "main";
    const shared = await environOf({});
    const own = await environOf({ env: { BROOD_ONLY: "this", BROOD_GONE: "x" } });
    done([shared, own]);`,
  );
  assert.deepEqual(shared, ["BROOD_IN_WORKER=set there", "BROOD_MAIN=main", "BROOD_OVER=1"]);
  assert.deepEqual(own, ["BROOD_IN_WORKER=set there", "BROOD_ONLY=this", "BROOD_OVER=1"]);
});

test("changing env after the call has no effect", async () => {
  const env: Record<string, string | Uint8Array> = { A: "before", B: Buffer.from("before") };
  const child = launch("env", [], { env, extendEnv: false });
  env["A"] = "after";
  (env["B"] as Buffer).fill("x");
  assert.equal((await (await child).output()).stdout, "A=before\nB=before\n");
});
