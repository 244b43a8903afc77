/**
 * Puts the public entries and the command into few files in dist/bundle/: Node takes half a millisecond and more for
 * each module that it finds, reads and links, and V8 some 30 µs for each KB that it reads. The modules that tsc made stay
 * beside them, for types, for those who bundle brood with a program of theirs, and for unit tests.
 *
 * - index.mjs is what `import "brood"` reads: the public names. Classes are there (SHELL), functions lead to the engine.
 * - engine.cjs is all that a child needs, read by the first call of one of these functions. It is one file, since nothing
 *   more must have to be read when a child is there: no fd may be left to read it by.
 * - hosts.cjs, containment.cjs, sync.cjs (runSync) and watching.cjs (Monitor) are what most programs don't use, read when
 *   something that they export is first used.
 * - Each other entry has a file of its own, and some share one. They take what they import of the above from there.
 *
 * What is read in the midst of a synchronous call is CommonJS: see docs/decisions/0024-loaded-when-used.md and
 * 0030-the-engine-is-read-when-used.md. Nor are modules of Node loaded before something that they export is used. In the
 * sources all of these are ordinary imports.
 *
 * Comments and white space are left out, which V8 reads, too; names stay, for stack traces. The files that users import are
 * named .mjs: of a .js Node looks for the package.json that tells what it is, folder by folder. The others have a hash in
 * their names, so that a program that runs on while its brood is replaced doesn't take halves of two for one.
 *
 * All of it lies two folders deep, as src/native/addon.ts does, which finds the addon by a path relative to its own.
 */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
const entries = Object.values(exports)
  .filter((entry) => entry.default !== undefined)
  .map((entry) => basename(entry.default, ".mjs"));

/** Classes that are public: `instanceof` may be asked of them before there is a child. They must need no module of Node. */
const SHELL = /^(?:index|errors|process\/(?:child|monitor))\.js$/;

/** Of these nothing runs before the engine has been read: it makes the first Child. */
const AFTER_ENGINE = /^process\/child\.js$/;

/** The files that are read when they are used, and the modules in each: the first one that matches. */
const PARTS = {
  hosts: /^host\/|^launch\/host-/,
  sync: /^process\/(?:run-sync|sync-ending)\.js$/,
  watching: /^process\/(?:existing|watched-process)\.js$/,
  containment: /^contain\/(?!options\.js$)/,
  engine: /^(?:native|kernel|program|launch|contain|process)\//,
};

/** Modules of the engine that are run when they are first used: streams, since those of Node are loaded for them. */
const LATE = /^process\/(?:chunks|lines|streams)\.js$/;

/** Where other entries find what index.mjs doesn't export: a property of the function `spawn`. */
const KEY = `Symbol.for("brood.part")`;

/** Gives where a module is: "shell", a part, "late" for those of LATE; undefined: in the file of an entry. */
function homeOf(module) {
  if (LATE.test(module)) return "late";
  return SHELL.test(module) ? "shell" : Object.keys(PARTS).find((name) => PARTS[name].test(module));
}

/** The part that has to be read for a module. */
const partOf = (module) => (LATE.test(module) ? "engine" : homeOf(module));

/** Whether a module is there for all that is not in index.mjs: who needs anything needs the engine. Other parts are read when used. */
const isThere = (module) => /^(?:shell|engine)$/.test(homeOf(module));

const dist = `${root}dist/`;
const textOf = (module) => readFileSync(`${dist}${module}`, "utf8");

/** The names that are imported, by module (of Node: "node:fs"; of ours: "process/spawn.js") and importing module. */
function importedNames() {
  const imported = new Map();
  for (const path of readdirSync(dist, { recursive: true })) {
    if (!path.endsWith(".js") || path.startsWith("bundle/")) continue;
    const text = textOf(path);
    for (const [, list, specifier] of text.matchAll(/^(?:import|export) \{([^}]*)\} from "([^"]+)"/gm)) {
      const module = specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : specifier;
      if (!imported.has(module)) imported.set(module, new Map());
      const names = list
        .split(",")
        .map((name) => name.trim().split(" as ")[0])
        .filter((name) => name !== "");
      imported.get(module).set(path, [...(imported.get(module).get(path) ?? []), ...names]);
    }
    // What is handed out is listed name by name: what has none would be undefined.
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

/** What others import of the modules of a home: [module, names]. */
const lentBy = (home) =>
  [...imported.keys()]
    .filter((module) => !module.startsWith("node:") && homeOf(module) === home)
    .map((module) => [module, namesOf(module, (importer) => homeOf(importer) !== home)])
    .filter(([, names]) => names.length > 0);

/** How a function of ours is declared: whether it is async, and its parameters. An error for what is no function. */
function declarationOf(module, name) {
  const [, async, parameters] = new RegExp(`^export (async )?function ${name}\\(([\\w, ]*)\\)`, "m").exec(textOf(module)) ?? [];
  if (parameters === undefined)
    throw new Error(`${name} of ${module} is no function: it can't be called before it has been read`);
  return { async: async !== undefined, parameters };
}

/** Exports those names, of what is there when one of them is first read. On a prototype, from which the bundler's copies inherit. */
const exportWhenUsed = (names, value) => `let loaded;
  const get = () => (loaded ??= ${value});
  module.exports = { __proto__: { ${names.map((name) => `get ${name}() { return get().${name}; }`).join(", ")} } };`;

/** Exports those names, of what is there at once. */
const exportNow = (names, value) => `export const { ${names.join(", ")} } = ${value};`;

/** Objects with the names of modules, by module: imports, and an expression. What is run late stays so. */
function table(modules) {
  const own = (name, i) => (name === "default" ? "" : `${name}${i}`);
  const imports = modules.map(
    ([module, names], i) => `import { ${names.map((name) => `${name} as ${own(name, i)}`).join(", ")} } from "./dist/${module}";`,
  );
  const member = (module, name, i) =>
    LATE.test(module) ? `get ${name}() { return ${own(name, i)}; }` : `${name}: ${own(name, i)}`;
  const objects = modules.map(
    ([module, names], i) => `"${module}": { ${names.map((name) => member(module, name, i)).join(", ")} }`,
  );
  return { imports: imports.join("\n"), members: objects.join(",\n") };
}

/** The module of ours that a relative import means. */
const moduleAt = ({ path, resolveDir }) => posix.relative(dist, posix.join(resolveDir, path));
const importerOf = ({ importer }) => posix.relative(dist, importer);

function provide(onLoad, namespace, contentsOf) {
  onLoad({ filter: /.*/, namespace }, ({ path }) => ({ contents: contentsOf(path), resolveDir: root }));
}

/** For a part: a function that is given the way to the others, and gives what it lends to them. */
const inPart = (part) => ({
  name: "in-part",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^own:$/ }, ({ path }) => ({ path, namespace: "own" }));
    onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: "builtin" }));
    onResolve({ filter: /^\.\.?\// }, (asked) => {
      const module = moduleAt(asked);
      const home = homeOf(module);
      // What is run late must not import what is run at once, or the bundler would have all of that run late.
      if (homeOf(importerOf(asked)) === "late") return home === "late" ? undefined : { path: module, namespace: "lent-late" };
      if (home === part || asked.namespace === "late") return undefined;
      return { path: module, namespace: home === "late" && part === "engine" ? "late" : "lent" };
    });
    const isHere = (importer) => partOf(importer) === part;
    provide(onLoad, "own", () => {
      const { imports, members } = table([...lentBy(part), ...(part === "engine" ? lentBy("late") : [])]);
      return `${imports}\nexport const modules = { ${members} };`;
    });
    provide(onLoad, "builtin", (module) => exportWhenUsed(namesOf(module, isHere), `load("${module}")`));
    provide(onLoad, "late", (module) => exportWhenUsed(namesOf(module), `require("./dist/${module}")`));
    provide(onLoad, "lent", (module) => {
      const names = namesOf(module, (importer) => homeOf(importer) === part);
      const value = `part("${partOf(module)}")["${module}"]`;
      return isThere(module) ? exportNow(names, value) : exportWhenUsed(names, value);
    });
    provide(onLoad, "lent-late", (module) => {
      const names = namesOf(module, (importer) => homeOf(importer) === "late");
      return exportWhenUsed(names, `part("${partOf(module)}")["${module}"]`);
    });
  },
});

const byShell = (importer) => homeOf(importer) === "shell";

/** What the shell imports of the engine: [module, names]. By the place in this list each name has a variable of its own. */
const ofEngine = lentBy("engine")
  .map(([module]) => [module, namesOf(module, byShell)])
  .filter(([, names]) => names.length > 0);

/** For index.mjs: `files` are the names of the parts' files. */
const inShell = (files) => ({
  name: "in-shell",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(?:index|parts):$/ }, ({ path }) => ({ path, namespace: path.slice(0, -1) }));
    onResolve({ filter: /^node:/ }, (asked) => {
      if (asked.namespace === "parts") return { path: asked.path, external: true };
      throw new Error(`${asked.importer}: ${asked.path} would be loaded by importing brood`);
    });
    onResolve({ filter: /^\.\.?\// }, (asked) => {
      const module = moduleAt(asked);
      if (homeOf(module) === "shell") return undefined;
      return { path: module, namespace: isBound(module, importerOf(asked)) ? "engine" : "calls" };
    });

    const isBound = (module, importer) => partOf(module) === "engine" && AFTER_ENGINE.test(importer);
    const variables = ofEngine.flatMap(([module, names], i) => names.map((name) => ({ module, name, variable: `${name}${i}` })));
    const variableOf = (module, name) => variables.find((one) => one.module === module && one.name === name).variable;
    provide(
      onLoad,
      "index",
      () => `import { part } from "parts:";
      import { spawn } from "./dist/index.js";
      export * from "./dist/index.js";
      Object.defineProperty(spawn, ${KEY}, { value: part });`,
    );
    provide(onLoad, "engine", (module) => {
      const names = namesOf(module, (importer) => AFTER_ENGINE.test(importer));
      return `export { ${names.map((name) => `${variableOf(module, name)} as ${name}`).join(", ")} } from "parts:";`;
    });
    // A function for each function, which has it read. What is async does not throw.
    provide(onLoad, "calls", (module) => {
      const names = namesOf(module, (importer) => byShell(importer) && !isBound(module, importer));
      const inEngine = partOf(module) === "engine";
      const calls = names.map((name) => {
        const { async, parameters } = declarationOf(module, name);
        const read = inEngine ? `engine ?? part("engine");` : `const of = part("${partOf(module)}")["${module}"];`;
        const call = `return ${inEngine ? variableOf(module, name) : `of.${name}`}(${parameters});`;
        const body = async ? `try { ${read} ${call} } catch (error) { return Promise.reject(error); }` : `${read} ${call}`;
        return `export function ${name}(${parameters}) { ${body} }`;
      });
      const used = names.map((name) => (inEngine ? `, ${variableOf(module, name)}` : ""));
      return `import { engine, part${used.join("")} } from "parts:";\n${calls.join("\n")}`;
    });
    provide(onLoad, "parts", () => {
      const { imports, members } = table(lentBy("shell"));
      const bound = ofEngine.map(
        ([module, names]) => `"${module}": { ${names.map((name) => `${name}: ${variableOf(module, name)}`).join(", ")} }`,
      );
      // Before Node 20.16 there is no process.getBuiltinModule.
      return `import { createRequire } from "node:module";
        import { UnsupportedError } from "./dist/errors.js";
        ${imports}
        export let engine, ${variables.map(({ variable }) => variable).join(", ")};
        const files = ${JSON.stringify(files)};
        const find = (id) => createRequire(import.meta.url)(id);
        const load = process.getBuiltinModule ?? find;
        const parts = {};
        export function part(name) {
          return parts[name] ??= name === "shell" ? { load, ${members} } : read(name);
        }
        function read(name) {
          let make;
          try {
            make = find(files[name]);
          } catch (cause) {
            throw new UnsupportedError("package", \`cannot read a file of brood's that is needed now: \${cause.message}\`, { cause });
          }
          const made = make(load, part, import.meta.url, {});
          if (name === "engine") ({ ${bound.join(", ")} } = engine = made);
          return made;
        }`;
    });
  },
});

/** For other entries, those whose modules are in that folder. */
const inEntries = (folder) => ({
  name: "in-entries",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^entry:/ }, ({ path }) => ({ path: path.slice("entry:".length), namespace: "entry" }));
    onResolve({ filter: /^index:$/ }, () => ({ path: "./index.mjs", external: true }));
    onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: "builtin" }));
    onResolve({ filter: /^\.\.?\// }, (asked) => {
      const module = moduleAt(asked);
      if (homeOf(module) === undefined) return undefined;
      return { path: module, namespace: isPublic(module, importerOf(asked)) ? "public" : "lent" };
    });
    const isHere = (importer) => importer.startsWith(`${folder}/`) || !importer.includes("/");
    /** What an entry exports that brood exports, too, is the same. */
    const isPublic = (module, importer) => {
      const names = importer.includes("/") ? [] : imported.get(module).get(importer);
      return names.some((name) => imported.get(module).get("index.js")?.includes(name));
    };

    provide(onLoad, "entry", (path) => {
      const hasDefault = /^export \{[^}]*\bdefault\b/m.test(textOf(`${path}.js`));
      return `export * from "./dist/${path}.js";${hasDefault ? ` export { default } from "./dist/${path}.js";` : ""}`;
    });
    provide(onLoad, "builtin", (module) => exportWhenUsed(namesOf(module, isHere), `load("${module}")`));
    provide(onLoad, "public", (module) => `export { ${imported.get(module).get("index.js").join(", ")} } from "index:";`);
    provide(onLoad, "lent", (module) => {
      const names = namesOf(module, (importer) => homeOf(importer) === undefined && isHere(importer));
      const value = `part("${partOf(module)}")["${module}"]`;
      return isThere(module) ? exportNow(names, value) : exportWhenUsed(names, value);
    });
  },
});

const options = {
  absWorkingDir: root,
  outdir: "dist/bundle",
  bundle: true,
  // Or what is imported for what it does would be dropped: the package says of modules that they do nothing.
  ignoreAnnotations: true,
  platform: "node",
  target: "node20",
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 120,
  logLevel: "warning",
};

rmSync(`${root}dist/bundle`, { recursive: true, force: true });

/**
 * Bundles, and gives the names of the files. A warning is an error: it tells of what would be undefined. A class that names
 * itself has got another name, by which users would see it.
 */
async function bundle(more) {
  const { outputFiles, warnings } = await build({ ...options, ...more, write: false });
  if (warnings.length > 0) process.exit(1);
  mkdirSync(`${root}dist/bundle`, { recursive: true });
  return outputFiles.map(({ path, text }) => {
    const names = [...text.matchAll(/\b(\w+)=class _\1\b/g)].map(([, name]) => name);
    const named = names.reduce((given, name) => given.replaceAll(new RegExp(`\\b_${name}\\b`, "g"), name), text);
    writeFileSync(path, named);
    return basename(path);
  });
}

const files = {};
for (const part of Object.keys(PARTS)) {
  const [file] = await bundle({
    entryPoints: [{ in: "own:", out: part }],
    entryNames: "[name]-[hash]",
    outExtension: { ".js": ".cjs" },
    format: "cjs",
    define: { "import.meta.url": "url" },
    // A function in parentheses V8 reads once, where it would else find its end first; an arrow function it would read twice.
    banner: { js: "module.exports=(function(load,part,url,module){" },
    footer: { js: "return module.exports.modules});" },
    plugins: [inPart(part)],
  });
  files[part] = `./${file}`;
}

const modules = { format: "esm", outExtension: { ".js": ".mjs" } };
await bundle({ ...modules, entryPoints: [{ in: "index:", out: "index" }], plugins: [inShell(files)] });

/** Entries that export modules of the same folder are made together: they share these. */
const groups = new Map([["cli", ["cli/main"]]]);
for (const entry of entries.filter((name) => name !== "index")) {
  const folder = /from "\.\/(\w+)\//.exec(textOf(`${entry}.js`))[1];
  groups.set(folder, [...(groups.get(folder) ?? []), entry]);
}
for (const [folder, group] of groups) {
  const entryPoints = group.map((name) => ({ in: `entry:${name}`, out: folder === "cli" ? folder : name }));
  const banner = { js: `import{spawn as known}from"./index.mjs";const part=known[${KEY}],{load}=part("shell");` };
  await bundle({ ...modules, entryPoints, splitting: true, banner, plugins: [inEntries(folder)] });
}
