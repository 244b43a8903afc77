/**
 * Where the executable is sought: the list of candidate paths, in order. execvp(3), with differences:
 * empty and relative entries of PATH don't count, and a file that is not executable format is an error.
 */

import { wrongValue } from "../errors.js";
import type { ProgramOptions } from "./options.js";
import { checkArray, checkPath, checkText } from "./validate.js";
import type { Text } from "./writer.js";

const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";
const SLASH = 0x2f;
const COLON = 0x3a;

/** Gives the candidates for `file`; none if no entry of the search path counts. */
export function candidatesFor(file: Text, options: ProgramOptions, environment: { readonly path: Text | undefined }): Text[] {
  // Checked also where it is of no use.
  const entries = options.path === undefined ? undefined : entriesOf(options.path);
  if (typeof file === "string" ? file.includes("/") : file.includes(SLASH)) return [file];
  if (entries !== undefined) return entries.map((entry) => within(entry, file));
  return directoriesOf(environment.path ?? DEFAULT_PATH).map((entry) => within(entry, file));
}

/** The directories of the option. */
function entriesOf(path: unknown): Text[] {
  const entries =
    typeof path === "string"
      ? split(checkText(path, "options.path")).map((entry) => (entry.length === 0 ? "." : entry))
      : checkArray(path, "options.path").map((entry, i) => checkPath(entry, `options.path[${i}]`));
  if (entries.length === 0) throw wrongValue("options.path", [], "must name at least one directory");
  return entries;
}

/** The last PATH that was taken apart: it seldom changes. */
let known: { path: Text; directories: Text[] } | undefined;

function directoriesOf(path: Text): Text[] {
  if (known?.path === path && typeof path === "string") return known.directories;
  const directories = split(path).filter((entry) => (typeof entry === "string" ? entry.startsWith("/") : entry[0] === SLASH));
  known = { path, directories };
  return directories;
}

function split(path: Text): Text[] {
  if (typeof path === "string") return path.split(":");
  const entries: Uint8Array[] = [];
  let from = 0;
  for (let at = path.indexOf(COLON); at >= 0; at = path.indexOf(COLON, from)) {
    entries.push(path.subarray(from, at));
    from = at + 1;
  }
  entries.push(path.subarray(from));
  return entries;
}

function within(directory: Text, file: Text): Text {
  if (typeof directory === "string" && typeof file === "string") {
    return directory.endsWith("/") ? directory + file : `${directory}/${file}`;
  }
  return Buffer.concat([Buffer.from(directory), Buffer.from("/"), Buffer.from(file)]);
}
