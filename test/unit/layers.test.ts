/**
 * Imports point one way: cli, protocol, compat -> process -> contain -> launch -> program -> kernel -> native.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("./", import.meta.resolve("brood/package.json")));
const files = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));

/** Each layer may import what stands above it here, and itself. */
const LAYERS: readonly (readonly string[])[] = [
  ["native"],
  ["kernel"],
  ["program"],
  ["launch"],
  ["contain"],
  ["process"],
  ["host"],
  ["cli", "protocol", "posix", "compat"],
];
const LEAVES = ["errors.ts", "stages.ts", "states.ts"];

const bare = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");

interface Import {
  /** The path in src of the imported file, or the name of a module that isn't ours. */
  target: string;
  ours: boolean;
  typeOnly: boolean;
}

/** All imports of one file: static, re-exports, dynamic. */
function importsOf(text: string, path: string): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean): void => {
    const ours = specifier.startsWith(".");
    found.push({ target: ours ? posix.join(posix.dirname(path), specifier) : specifier, ours, typeOnly });
  };
  const code = bare(text);
  for (const [, type, specifier] of code.matchAll(/^(?:import|export)\s+(type\s)?[^;"']*?from\s+"([^"]+)"/gm)) {
    add(specifier as string, type !== undefined);
  }
  for (const [, specifier] of code.matchAll(/^import\s+"([^"]+)"/gm)) add(specifier as string, false);
  for (const [, specifier] of code.matchAll(/\bimport\(\s*["'`]([^"'`]+)["'`]/g)) add(specifier as string, false);
  return found;
}

const imports = new Map(
  files.map((path) => [
    path,
    importsOf(readFileSync(`${root}src/${path}`, "utf8"), path).map((one) => ({
      ...one,
      target: one.ours ? one.target.replace(/\.js$/, ".ts") : one.target,
    })),
  ]),
);

const rank = (path: string): number => LAYERS.findIndex((layer) => layer.includes(path.split("/")[0] as string));
const isEntry = (path: string): boolean => !path.includes("/") && !LEAVES.includes(path);

test("the imports are read: each relative one is a file of ours", () => {
  assert.ok(files.length > 20);
  assert.ok([...imports.values()].flat().length > 50);
  for (const [path, list] of imports) {
    for (const one of list) if (one.ours) assert.ok(files.includes(one.target), `${path} imports ${one.target}`);
  }
});

test("every file has its place: a layer, a leaf or an entry", () => {
  for (const path of files) assert.ok(!path.includes("/") || rank(path) >= 0, `${path} is in no layer: add it to LAYERS`);
});

test("a layer imports only what is below it", () => {
  const wrong: string[] = [];
  for (const [path, list] of imports) {
    if (!path.includes("/")) continue;
    for (const { target, ours } of list) {
      if (!ours || LEAVES.includes(target)) continue;
      const sameFolder = target.split("/")[0] === path.split("/")[0];
      if (!sameFolder && !(rank(target) >= 0 && rank(target) < rank(path))) wrong.push(`${path} -> ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("the leaves import nothing of ours but types of each other", () => {
  for (const leaf of LEAVES) {
    for (const { target, ours, typeOnly } of imports.get(leaf) as Import[]) {
      assert.ok(ours && typeOnly && LEAVES.includes(target), `${leaf} -> ${target}`);
    }
  }
});

test("entries hold nothing but exports from below", () => {
  const entries = files.filter(isEntry);
  assert.ok(entries.includes("index.ts"));
  for (const path of entries) {
    const rest = bare(readFileSync(`${root}src/${path}`, "utf8")).replace(
      /^export\s+(?:type\s+)?(?:\{[^}]*\}|\*(?:\s+as\s+\w+)?)\s+from\s+"[^"]+";/gm,
      "",
    );
    assert.equal(rest.trim(), "", path);
    for (const { target, ours } of imports.get(path) as Import[]) assert.ok(ours && !isEntry(target), `${path} -> ${target}`);
  }
});

test("the addon itself is loaded in one place", () => {
  const loading = files.filter((path) => /createRequire|process\.dlopen/.test(bare(readFileSync(`${root}src/${path}`, "utf8"))));
  assert.deepEqual(loading, ["native/addon.ts"]);
});

test("as compiled, no file imports itself through others", () => {
  const compiled = new Map(
    files.map((path) => {
      const target = path.replace(/\.ts$/, ".js");
      const list = importsOf(readFileSync(`${root}dist/${target}`, "utf8"), target);
      return [target, list.filter((one) => one.ours).map((one) => one.target)];
    }),
  );
  const done = new Set<string>();
  const visit = (path: string, trail: string[]): void => {
    assert.ok(!trail.includes(path), `cycle: ${[...trail, path].join(" -> ")}`);
    if (done.has(path)) return;
    for (const next of compiled.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of compiled.keys()) visit(path, []);
  assert.equal(done.size, files.length);
});
