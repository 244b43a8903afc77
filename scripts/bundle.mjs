/**
 * Puts the public entries and the command into few files in dist/bundle/: Node takes half a millisecond and more for
 * each module that it finds, reads and links. The modules that tsc made stay beside them, for types and unit tests.
 *
 * What `brood` itself consists of is one chunk, which every other entry loads, too: the bundler would else cut it into
 * as many pieces as there are combinations of entries that share something.
 *
 * All of it lies two folders deep, as src/native/addon.ts does, which finds the addon by a path relative to its own.
 */

import { readFileSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
const entries = Object.values(exports)
  .filter((entry) => entry.default !== undefined)
  .map((entry) => basename(entry.default, ".js"));

/** An entry that also loads all of `brood`. */
const withAll = {
  name: "with-all",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^entry:/ }, ({ path }) => ({ path: path.slice("entry:".length), namespace: "entry" }));
    onLoad({ filter: /.*/, namespace: "entry" }, ({ path }) => ({
      contents: `import "./dist/index.js"; export * from "./dist/${path}.js";`,
      resolveDir: root,
    }));
  },
};

rmSync(`${root}dist/bundle`, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: [...entries.map((name) => ({ in: `entry:${name}`, out: name })), { in: "entry:cli/main", out: "cli" }],
  outdir: "dist/bundle",
  bundle: true,
  splitting: true,
  // Or the import of all would be dropped: what it is for is not seen here.
  ignoreAnnotations: true,
  format: "esm",
  platform: "node",
  target: "es2022",
  logLevel: "warning",
  plugins: [withAll],
});
