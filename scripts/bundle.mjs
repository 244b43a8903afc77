/**
 * Puts the public entries and the command into few files in dist/bundle/: Node takes half a millisecond and more for
 * each module that it finds, reads and links. The modules that tsc made stay beside them, for types, for those who bundle
 * brood with a program of theirs, and for unit tests.
 *
 * What `brood` itself consists of is one chunk, which every other entry loads, too: the bundler would else cut it into
 * as many pieces as there are combinations of entries that share something. Comments and white space are left out, which
 * V8 reads, too; names stay, for stack traces.
 *
 * Modules of Node, and those modules of ours that `PARTS` lists, are not run by the import, but when something that they
 * export is first used; ours are not even read until then, and so are files of their own. Since that is in the midst of a
 * synchronous call these are CommonJS: see docs/decisions/0024-loaded-when-used.md
 * and 0028-parts-read-when-used.md. To the sources they are imports as any.
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

/** Modules of ours that most programs don't use, by the file that they are in. */
const PARTS = {
  hosts: /^host\/(?!spawn-async\.js$)|^launch\/host-/,
  containment: /^contain\/(?!options\.js$)/,
};

/**
 * Modules that are in the chunk, and run when they are first used: streams, since those of Node are loaded for them. A child
 * may be there by then, and no fd be left to open a file by.
 */
const LATE = /^process\/(?:chunks|lines|streams)\.js$/;

/** Gives the name of the part that a module is in, "late" for those of LATE; undefined: it is run at once. */
const partOf = (module) => (LATE.test(module) ? "late" : Object.keys(PARTS).find((name) => PARTS[name].test(module)));

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
      const names = list
        .split(",")
        .map((name) => name.trim().split(" as ")[0])
        .filter((name) => name !== "");
      imported.get(module).set(path, [...(imported.get(module).get(path) ?? []), ...names]);
    }
    // A getter is made for each name: what has none would be undefined.
    const nameless = /^(?:import|export) (?:\w+|\*).* from "(?:node:[^"]+|\..*)"/m.exec(text);
    if (nameless !== null) throw new Error(`dist/${path}: only imports by name are bundled, not: ${nameless[0]}`);
  }
  return imported;
}

const imported = importedNames();

/** The names that are imported from a module by those that `wanted` tells. */
const namesOf = (module, wanted = () => true) => [
  ...new Set([...(imported.get(module) ?? [])].filter(([importer]) => wanted(importer)).flatMap(([, names]) => names)),
];

/** What modules of a part import of modules that are not in it, those of Node left out: [part, module, names]. */
const borrowed = [...Object.keys(PARTS), "late"].flatMap((part) =>
  [...imported.keys()]
    .filter((module) => !module.startsWith("node:") && partOf(module) !== part)
    .map((module) => [part, module, namesOf(module, (importer) => partOf(importer) === part)])
    .filter(([, , names]) => names.length > 0),
);

const namesBorrowed = (part, module) => borrowed.find(([borrower, lender]) => borrower === part && lender === module)[2];

/** An object that asks for what it has when it is asked. On its prototype, from which the bundler's copies inherit. */
const getters = (names, from) =>
  `{ __proto__: { ${names.map((name) => `get ${name}() { return ${from}.${name}; }`).join(", ")} } }`;

/** Exports those names, of what is there when one of them is first read. */
const exportWhenUsed = (names, value) => `let loaded;
  const get = () => (loaded ??= ${value});
  module.exports = ${getters(names, "get()")};`;

/** Objects with the names of modules, by module. */
function table(modules) {
  const imports = modules.map(
    ([module, names], i) => `import { ${names.map((name) => `${name} as ${name}${i}`).join(", ")} } from "./dist/${module}";`,
  );
  const objects = modules.map(
    ([module, names], i) => `"${module}": { ${names.map((name) => `get ${name}() { return ${name}${i}; }`).join(", ")} }`,
  );
  return { imports: imports.join("\n"), object: `{ ${objects.join(",\n")} }` };
}

const dist = `${root}dist/`;
/** The module of ours that a relative import means. */
const moduleAt = ({ path, resolveDir }) => posix.relative(dist, posix.join(resolveDir, path));

function provide(onLoad, namespace, contentsOf) {
  onLoad({ filter: /.*/, namespace }, ({ path }) => ({ contents: contentsOf(path), resolveDir: root }));
}

/** For what is run at once. */
const whenUsed = {
  name: "when-used",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path, namespace }) =>
      namespace === "load" ? { path, external: true } : { path, namespace: "builtin" },
    );
    onResolve({ filter: /^(?:load|lend|lent|parts):$/ }, ({ path }) => ({ path, namespace: path.slice(0, -1) }));
    onResolve({ filter: /^\.\.?\// }, (asked) => {
      if (asked.kind === "entry-point") return undefined;
      const module = moduleAt(asked);
      // What is run late must not import what is run at once, or the bundler would have all of that run late.
      if (LATE.test(posix.relative(dist, asked.importer)))
        return LATE.test(module) ? undefined : { path: module, namespace: "borrowed" };
      return partOf(module) === undefined || asked.namespace === "late" ? undefined : { path: module, namespace: "late" };
    });

    // Before Node 20.16 there is no process.getBuiltinModule.
    provide(
      onLoad,
      "load",
      () => `import { createRequire } from "node:module";
      export const find = (id) => createRequire(import.meta.url)(id);
      export const load = process.getBuiltinModule ?? find;`,
    );
    provide(
      onLoad,
      "builtin",
      (module) => `const { load } = require("load:");\n${exportWhenUsed(namesOf(module), `load("${module}")`)}`,
    );
    // What a part imports it is given, since it can't import this chunk, which is a module.
    provide(
      onLoad,
      "parts",
      () => `const { load, find } = require("load:");
      const lent = require("lent:");
      const loaded = {};
      module.exports = (part) => (loaded[part] ??= find("./" + part + ".cjs")(load, lent.modules()));`,
    );
    provide(onLoad, "late", (module) => {
      const names = namesOf(module);
      if (LATE.test(module)) return exportWhenUsed(names, `require("./dist/${module}")`);
      return `const part = require("parts:");\n${exportWhenUsed(names, `part("${partOf(module)}")["${module}"]`)}`;
    });
    provide(onLoad, "borrowed", (module) => {
      return `const lent = require("lent:");\n${exportWhenUsed(namesBorrowed("late", module), `lent.modules()["${module}"]`)}`;
    });
    provide(onLoad, "lent", () => "");
    provide(onLoad, "lend", () => {
      const names = new Map();
      for (const [, module, some] of borrowed) names.set(module, [...new Set([...(names.get(module) ?? []), ...some])]);
      const { imports, object } = table([...names]);
      return `import lent from "lent:";\n${imports}\nlent.modules = () => (${object});`;
    });
  },
};

/** For a part: a function that is given what it imports, and gives what it exports. */
const inPart = (part) => ({
  name: "in-part",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^part:$/ }, ({ path }) => ({ path, namespace: "part" }));
    onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: "builtin" }));
    onResolve({ filter: /^\.\.?\// }, (asked) => {
      const module = moduleAt(asked);
      return partOf(module) === part ? undefined : { path: module, namespace: "borrowed" };
    });
    provide(onLoad, "part", () => {
      const modules = [...imported.keys()].filter((module) => partOf(module) === part);
      const { imports, object } = table(modules.map((module) => [module, namesOf(module)]));
      return `${imports}\nexport const modules = ${object};`;
    });
    provide(onLoad, "builtin", (module) => exportWhenUsed(namesOf(module), `load("${module}")`));
    provide(onLoad, "borrowed", (module) => {
      const names = namesBorrowed(part, module);
      // What is run at once is there by now; another part is not to be read for this one.
      if (partOf(module) !== undefined) return exportWhenUsed(names, `lent["${module}"]`);
      return names.map((name) => `export const ${name} = lent["${module}"].${name};`).join("\n");
    });
  },
});

const options = {
  absWorkingDir: root,
  outdir: "dist/bundle",
  bundle: true,
  // Or the import of all would be dropped: what it is for is not seen here.
  ignoreAnnotations: true,
  platform: "node",
  target: "node20",
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 120,
  logLevel: "warning",
};

rmSync(`${root}dist/bundle`, { recursive: true, force: true });
await build({
  ...options,
  entryPoints: [...entries.map((name) => ({ in: `entry:${name}`, out: name })), { in: "entry:cli/main", out: "cli" }],
  outExtension: { ".js": ".mjs" },
  splitting: true,
  format: "esm",
  plugins: [withAll, whenUsed],
});
for (const part of Object.keys(PARTS)) {
  await build({
    ...options,
    entryPoints: [{ in: "part:", out: part }],
    outExtension: { ".js": ".cjs" },
    format: "iife",
    globalName: "part",
    // In parentheses: V8 then reads it once, not a first time to find its end.
    banner: { js: '"use strict";module.exports=((load,lent)=>{' },
    footer: { js: "return part.modules});" },
    plugins: [inPart(part)],
  });
}
