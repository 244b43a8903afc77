/**
 * Where cgroups of ours can be made: below the cgroup that we are in, or below one above it, where the tree has been
 * delegated to us. cgroups(7); also where version 2 is mounted beside version 1.
 */

import { accessSync, constants, mkdirSync, readdirSync, readlinkSync, rmdirSync, writeFileSync } from "node:fs";
import { posix } from "node:path";
import { isPassing, read } from "./kernel-files.js";

/** A controller of cgroup v2 that a limit needs. */
export type Controller = "memory" | "pids" | "cpu";

/** Gives our own cgroup from the text of /proc/self/cgroup: the line of version 2. */
export function parseOwnCgroup(text: string): string | undefined {
  return /^0::(\/.*)$/m.exec(text)?.[1];
}

/** Gives the mounts of cgroup v2 from the text of /proc/self/mountinfo: what of the tree is mounted where. */
export function parseMounts(text: string): { root: string; directory: string }[] {
  return text.split("\n").flatMap((line) => {
    const [, , , root, directory, ...rest] = line.split(" ");
    const type = rest[rest.indexOf("-") + 1];
    if (type !== "cgroup2" || root === undefined || directory === undefined) return [];
    return [{ root: unescaped(root), directory: unescaped(directory) }];
  });
}

/** Spaces and the like are octal there. */
function unescaped(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Gives the directory of our own cgroup and of those above it, nearest first. */
export function placesOf(own: string, mounts: readonly { root: string; directory: string }[]): string[] {
  for (const { root, directory } of mounts) {
    const below = posix.relative(root, own);
    // Outside of what is mounted, or of our cgroup namespace.
    if (below.startsWith("..")) continue;
    const places: string[] = [];
    for (let at = posix.join(directory, below); at.startsWith(directory); at = posix.dirname(at)) {
      places.push(at);
      if (at === directory) break;
    }
    return places;
  }
  return [];
}

/** Why no cgroup can be had, in words. */
export class NoPlace extends Error {}

/**
 * Makes a directory of ours, whose name ends in this, in the nearest place that allows it, with these controllers at work
 * below it.
 *
 * @throws NoPlace; Error EMFILE, ENFILE, ENOMEM.
 */
export function makeBase(name: string, controllers: readonly Controller[]): string {
  const own = parseOwnCgroup(read("/proc/self/cgroup"));
  const mounts = parseMounts(read("/proc/self/mountinfo"));
  if (mounts.length === 0) throw new NoPlace("cgroup v2 is not mounted here");
  const places = own === undefined ? [] : placesOf(own, mounts);
  if (places.length === 0) throw new NoPlace("our own cgroup can't be seen in what is mounted here");
  const namespace = pidNamespace();
  const why: string[] = [];
  for (const place of places) {
    const base = posix.join(place, `${PREFIX}${process.pid}-${namespace ?? 0}-${name}`);
    try {
      // To move a process takes the right to do so in the nearest cgroup that both places are in.
      accessSync(posix.join(place, "cgroup.procs"), constants.W_OK);
      enable(place, controllers);
      if (namespace !== undefined) removeStale(place, namespace);
      mkdirSync(base);
      try {
        accessSync(posix.join(base, "cgroup.events"));
        const type = typeOf(base);
        if (type !== "domain") throw new NoPlace(`${place} has threaded cgroups: one of processes would be "${type}"`);
        enable(base, controllers);
        offer(base);
        return base;
      } catch (error) {
        rmdirSync(base);
        throw error;
      }
    } catch (error) {
      if (isPassing(error)) throw error;
      // What is not ours further up is no news; what hinders there may be.
      if (error instanceof NoPlace) why.push(error.message);
      else if (why.length === 0) why.push(`${place}: ${(error as Error).message}`);
    }
  }
  throw new NoPlace(why.join("; "));
}

/** Has the cgroups below this one count, and limit, these things. */
function enable(place: string, controllers: readonly Controller[]): void {
  const working = read(posix.join(place, "cgroup.subtree_control")).trim().split(" ");
  const missing = controllers.filter((controller) => !working.includes(controller));
  if (missing.length === 0) return;
  const there = read(posix.join(place, "cgroup.controllers")).trim().split(" ");
  for (const controller of missing)
    if (!there.includes(controller)) throw new NoPlace(`the controller "${controller}" is not available in ${place}`);
  // The kernel refuses the controllers of domains there (EBUSY). With the others the cgroup would become the root of a threaded
  // subtree, in which there can be no other cgroups of processes: nobody's, not ours alone.
  if (typeOf(place) !== ROOT && read(posix.join(place, "cgroup.procs")) !== "")
    throw new NoPlace(
      `${place} has processes of its own: the controllers ${missing.join(", ")} can't be enabled below it (EBUSY)`,
    );
  writeFileSync(posix.join(place, "cgroup.subtree_control"), missing.map((controller) => `+${controller}`).join(" "));
}

const ROOT = "root";

/** Gives what can be in a cgroup: "domain" is processes. The root of all has no such file. */
function typeOf(cgroup: string): string {
  return read(posix.join(cgroup, "cgroup.type")).trim() || ROOT;
}

/** What is counted below our own base changes nothing for others: memory has readings that are wanted without a limit, too. */
function offer(base: string): void {
  try {
    enable(base, ["memory"]);
  } catch {
    // It is not there, or may not be had: the readings are null.
  }
}

const PREFIX = "brood-";

/** Gives the number of our pid namespace. Those in others, who may have the same cgroup, have other numbers than we see. */
function pidNamespace(): number | undefined {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync("/proc/self/ns/pid"))?.[1]);
  } catch {
    return undefined;
  }
}

/** What processes that are gone have left behind, since their watcher was killed, too. */
function removeStale(place: string, namespace: number): void {
  for (const name of readdirSync(place)) {
    const [pid, where] = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split("-").map(Number) : [];
    if (pid !== undefined && where === namespace && !isAlive(pid)) removeTree(posix.join(place, name));
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Removes a cgroup with all below it. Gives whether it is gone; it can't be removed while there are processes in it. */
export function removeTree(directory: string): boolean {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true }))
      if (entry.isDirectory()) removeTree(posix.join(directory, entry.name));
    rmdirSync(directory);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}
