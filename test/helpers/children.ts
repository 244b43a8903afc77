/**
 * The children that tests start: programs of test/children/, compiled to build/children/.
 */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Gives the path of a child program, or of a script, by its name in test/children/ without ".c". */
export function childPath(name: string): string {
  const root = new URL("../../../", import.meta.url);
  const path = fileURLToPath(new URL(name.endsWith(".sh") ? `test/children/${name}` : `build/children/${name}`, root));
  if (!existsSync(path)) throw new Error(`there is no child program ${path}`);
  return path;
}
