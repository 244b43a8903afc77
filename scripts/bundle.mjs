/**
 * Puts the public entries and the command into few files in dist/bundle/: Node takes half a millisecond and more for
 * each module that it finds, reads and links. The modules that tsc made stay beside them, for types and unit tests.
 *
 * What `brood` itself consists of is one chunk, which every other entry loads, too: the bundler would else cut it into
 * as many pieces as there are combinations of entries that share something. Comments and white space are left out, which
 * V8 reads, too; names stay, for stack traces.
 *
 * Modules of Node, and those modules of ours that `WHEN_USED` lists, are not run by the import, but when something that
 * they export is first used: see docs/decisions/0024-loaded-when-used.md. To the sources they are imports as any.
 *
 * The files are named .mjs: of a .js Node looks for the package.json that tells what it is, folder by folder.
 *
 * All of it lies two folders deep, as src/native/addon.ts does, which finds the addon by a path relative to its own.
 */

import { readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
const entries = Object.values(exports)
  .filter((entry) => entry.default !== undefined)
  .map((entry) => basename(entry.default, ".mjs"));

/** Modules of ours that most programs don't use, or not at once: streams, since those of Node are loaded for them. */
const WHEN_USED = ["process/chunks.js", "process/lines.js", "process/streams.js"];

/** An entry that also loads all of `brood`, and lends what is run later its imports. */
const withAll = {
  name: "with-all",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^entry:/ }, ({ path }) => ({ path: path.slice("entry:".length), namespace: "entry" }));
    onLoad({ filter: /.*/, namespace: "entry" }, ({ path }) => ({
      contents: `import "lend:"; import "./dist/index.js"; export * from "./dist/${path}.js";`,
      resolveDir: root,
    }));
  },
};

/** The names that are imported, by module (of Node: "node:fs"; of ours: "process/spawn.js") and importing module. */
function importedNames() {
  const imported = new Map();
  for (const path of readdirSync(`${root}dist`, { recursive: true })) {
    if (!path.endsWith(".js") || path.startsWith("bundle/")) continue;
    const text = readFileSync(`${root}dist/${path}`, "utf8");
    for (const [, list, specifier] of text.matchAll(/^(?:import|export) \{([^}]*)\} from "([^"]+)"/gm)) {
      const module = specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : specifier;
      if (!imported.has(module)) imported.set(module, new Map());
      const names = list.split(",").map((name) => name.trim().split(" as ")[0]);
      imported.get(module).set(path, [...(imported.get(module).get(path) ?? []), ...names]);
    }
    // A getter is made for each name: what has none would be undefined.
    const nameless = /^(?:import|export) (?:\w+|\*).* from "(?:node:[^"]+|\..*)"/m.exec(text);
    if (nameless !== null) throw new Error(`dist/${path}: only imports by name are bundled, not: ${nameless[0]}`);
  }
  return imported;
}

const imported = importedNames();
const namesOf = (module) => [...new Set([...(imported.get(module)?.values() ?? [])].flat())];

/** An object that asks for what it has when it is asked. On its prototype, from which the bundler's copies inherit. */
const getters = (names, from) =>
  `{ __proto__: { ${names.map((name) => `get ${name}() { return ${from}.${name}; }`).join(", ")} } }`;

const whenUsed = {
  name: "when-used",
  setup({ onResolve, onLoad }) {
    const dist = `${root}dist/`;
    const isLate = (module) => WHEN_USED.includes(module);
    const provide = (namespace, contentsOf) =>
      onLoad({ filter: /.*/, namespace }, ({ path }) => ({ contents: contentsOf(path), resolveDir: root }));

    onResolve({ filter: /^node:/ }, ({ path, namespace }) =>
      namespace === "load" ? { path, external: true } : { path, namespace: "builtin" },
    );
    onResolve({ filter: /^(?:load|lend|lent):$/ }, ({ path }) => ({ path, namespace: path.slice(0, -1) }));
    onResolve({ filter: /^\.\.?\// }, ({ path, importer, namespace, kind }) => {
      if (namespace !== "file" || kind === "entry-point" || !importer.startsWith(dist)) return undefined;
      const module = posix.relative(dist, posix.join(posix.dirname(importer), path));
      if (isLate(module) === isLate(posix.relative(dist, importer))) return undefined;
      return { path: module, namespace: isLate(module) ? "late" : "borrowed" };
    });

    // Before Node 20.16 there is no process.getBuiltinModule.
    provide(
      "load",
      () => `import { createRequire } from "node:module";
      export const load = process.getBuiltinModule ?? createRequire(import.meta.url);`,
    );
    provide(
      "builtin",
      (module) => `const { load } = require("load:");
      let loaded;
      const get = () => (loaded ??= load("${module}"));
      module.exports = ${getters(namesOf(module), "get()")};`,
    );
    provide(
      "late",
      (module) => `let loaded;
      const get = () => (loaded ??= require("./dist/${module}"));
      module.exports = ${getters(namesOf(module), "get()")};`,
    );

    // What is run late must not import what is run at once, or the bundler would have all of that run late.
    const borrowed = new Map();
    for (const [module, importers] of imported) {
      const names = [...importers].filter(([path]) => isLate(path) && !isLate(module)).flatMap(([, list]) => list);
      if (names.length > 0 && !module.startsWith("node:")) borrowed.set(module, [...new Set(names)]);
    }
    provide("lent", () => "");
    provide(
      "borrowed",
      (module) => `const lent = require("lent:");
      let borrowed;
      const get = () => (borrowed ??= lent.modules()["${module}"]);
      module.exports = ${getters(borrowed.get(module), "get()")};`,
    );
    provide("lend", () => {
      const lines = [...borrowed].map(([module, names], i) => ({
        from: `import { ${names.map((name) => `${name} as ${name}${i}`).join(", ")} } from "./dist/${module}";`,
        to: `"${module}": { ${names.map((name) => `get ${name}() { return ${name}${i}; }`).join(", ")} }`,
      }));
      return `import lent from "lent:";
        ${lines.map(({ from }) => from).join("\n")}
        lent.modules = () => ({ ${lines.map(({ to }) => to).join(",\n")} });`;
    });
  },
};

rmSync(`${root}dist/bundle`, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: [...entries.map((name) => ({ in: `entry:${name}`, out: name })), { in: "entry:cli/main", out: "cli" }],
  outdir: "dist/bundle",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  splitting: true,
  // Or the import of all would be dropped: what it is for is not seen here.
  ignoreAnnotations: true,
  format: "esm",
  platform: "node",
  target: "node20",
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 120,
  logLevel: "warning",
  plugins: [withAll, whenUsed],
});
