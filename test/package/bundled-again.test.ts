/**
 * A program that a bundler makes one file of, brood included: the native parts are told by environment variables.
 */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "../helpers/test.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const native = (name: string): string => join(root, "prebuilds", `linux-${process.arch}`, name);
const NATIVE = {
  BROOD_NATIVE_PATH: native("brood.node"),
  BROOD_HOST_PATH: native("brood-host"),
  BROOD_KEEPER_PATH: native("brood-keeper"),
};

const PROGRAM = `import { ExitError, run, runSync, spawn, spawnAsync } from "brood";
  import { SpawnHost } from "brood/host";
  const child = spawn("cat");
  child.stdin.end("spawned");
  const said = [await child.stdout.text()];
  said.push((await run("echo", ["run"])).stdout.trim(), runSync("echo", ["in sync"]).stdout.trim());
  const driven = await spawnAsync("echo", ["driven"], { preexec: (embryo) => embryo.setsid() });
  said.push((await driven.stdout.text()).trim());
  const contained = spawn("echo", ["contained"], { contain: "keeper" });
  said.push((await contained.stdout.text()).trim());
  await contained.closed;
  const host = await SpawnHost.start();
  said.push((await host.run("echo", ["by a host"])).stdout.trim());
  await host[Symbol.asyncDispose]();
  await run("false").catch((error) => said.push(error instanceof ExitError && error.name));
  console.log(said.join(", "));`;

/** Bundles a program; gives what the bundler wrote to its stdout. By its command: its library leaves a process behind. */
const bundle = (program: string, ...flags: string[]): string => {
  const args = ["--bundle", "--platform=node", "--format=esm", "--log-level=warning", ...flags];
  const { stdout, stderr } = spawnSync(join(root, "node_modules/.bin/esbuild"), args, {
    input: program,
    cwd: root,
    encoding: "utf8",
  });
  assert.equal(stderr, "");
  return stdout;
};

const WAYS: Record<string, string[]> = {
  "as it is": [],
  // Errors are known by the names of their classes.
  minified: ["--minify", "--keep-names"],
  "in chunks": ["--splitting"],
};

for (const [how, flags] of Object.entries(WAYS)) {
  test(`a program that is bundled with brood in it works: ${how}`, () => {
    const outdir = mkdtempSync(join(tmpdir(), "brood-bundled-"));
    try {
      bundle(PROGRAM, `--outdir=${outdir}`, "--out-extension:.js=.mjs", ...flags);
      // Nothing of the package is to be found from there, nor from its directory.
      const stdout = execFileSync(process.execPath, [join(outdir, "stdin.mjs")], {
        encoding: "utf8",
        cwd: outdir,
        env: { ...process.env, ...NATIVE },
      });
      assert.equal(stdout, "spawned, run, in sync, driven, contained, by a host, ExitError\n");
    } finally {
      rmSync(outdir, { recursive: true });
    }
  });
}

test("a bundler takes of brood what a program uses, and no more", () => {
  const errors = bundle(`export { ExitError } from "brood";`, "--minify").length;
  const all = bundle(`export * from "brood";`, "--minify").length;
  assert.ok(errors > 0 && errors < all / 10, `${errors} of ${all} characters`);
});
