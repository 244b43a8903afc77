/**
 * "cgroup": a leaf of cgroup v2 that the command is born in. Nothing that it starts can leave it, short of the right to
 * move processes; the kernel ends all of it at once (cgroup.kill, Linux 5.14), freezes it (5.2), and tells when it is empty.
 */

import { closeSync, constants, openSync, writeFileSync } from "node:fs";
import { posix } from "node:path";
import { type Monitor, monitor } from "../kernel/monitor.js";
import type { GroupUsage, Means } from "../states.js";
import { removeTree } from "./cgroup-place.js";
import { Containment } from "./containment.js";
import { directoriesIn, read, unlessPassing } from "./kernel-files.js";
import { type Process, processesOf, signalProcess } from "./processes.js";

const SIGKILL = 9;
/** A cgroup can't be removed while the last process in it is on its way out. */
const REMOVE_AGAIN_MS = 5;
const MOST_REMOVALS = 400;
const FROZEN_MS = 2000;
/** How often is looked where the kernel can't tell. */
const LOOK_MS = 20;

/** Gives a value of a file such as cpu.stat or memory.events: lines of a name and a number. */
export function numberOf(text: string, name: string): number | null {
  const value = new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1];
  return value === undefined ? null : Number(value);
}

function numberIn(text: string): number | null {
  return /^\d+\s*$/.test(text) ? Number(text) : null;
}

export class CgroupContainment extends Containment {
  readonly by: Means = "cgroup";
  readonly #directory: string;
  readonly #monitor: Monitor = monitor();
  #events: number | undefined;
  #looking: NodeJS.Timeout | undefined;
  #oomKills: number | null = null;

  constructor(pid: number, directory: string) {
    super(pid);
    this.#directory = directory;
  }

  override members(): Process[] {
    return processesOf(pidsIn(this.#directory));
  }

  protected left(): boolean {
    this.#oomKills = numberOf(this.#read("memory.events"), "oom_kill");
    if (!this.#populated()) return false;
    this.#watch();
    return true;
  }

  protected endAll(): void {
    endAll(this.#directory);
  }

  protected release(): void {
    // The watcher would end it with us: what is to live on moves out.
    for (const { pid } of unlessPassing(() => this.members(), [])) {
      try {
        writeFileSync(posix.join(this.#directory, "../../cgroup.procs"), String(pid));
      } catch {
        // It has ended meanwhile, or may not be moved.
      }
    }
  }

  override oomKilled(): boolean {
    return (this.#oomKills ?? 0) > 0;
  }

  protected override async stop(): Promise<void> {
    if (!this.#write("cgroup.freeze", "1")) return super.stop();
    const deadline = performance.now() + FROZEN_MS;
    while (numberOf(this.#read("cgroup.events"), "frozen") === 0 && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 1));
  }

  protected override continue(): void {
    if (!this.#write("cgroup.freeze", "0")) super.continue();
  }

  protected override look(): void {
    if (!this.#populated()) this.finish();
  }

  protected override readUsage(): GroupUsage {
    const cpu = this.#read("cpu.stat");
    return {
      userCPU: numberOf(cpu, "user_usec"),
      systemCPU: numberOf(cpu, "system_usec"),
      memoryPeak: numberIn(this.#read("memory.peak")),
      oomKills: numberOf(this.#read("memory.events"), "oom_kill"),
    };
  }

  protected close(): void {
    if (this.#events !== undefined) this.#monitor.remove(this.#events);
    this.#events = undefined;
    clearInterval(this.#looking);
    removeSoon(this.#directory, MOST_REMOVALS);
  }

  #populated(): boolean {
    // Until that can be seen it is not empty.
    return unlessPassing(() => numberOf(read(this.#file("cgroup.events")), "populated") === 1, true);
  }

  /** The kernel tells when the cgroup has become empty. */
  #watch(): void {
    const index = this.#monitor.native.watchFile(this.#file("cgroup.events"));
    if (index >= 0) {
      this.#events = index;
      this.#monitor.watch(index, { onEvent: () => this.look(), onFailure: () => this.look() });
    } else {
      // No fd is left, say. It must not be waited for for ever.
      this.#looking = setInterval(() => this.look(), LOOK_MS).unref();
    }
    // It may have become so before that.
    setImmediate(() => {
      if (!this.over) this.look();
    });
  }

  #file(name: string): string {
    return posix.join(this.#directory, name);
  }

  /** What is only told, and not relied on. */
  #read(name: string): string {
    return unlessPassing(() => read(this.#file(name)), "");
  }

  #write(file: string, value: string): boolean {
    return write(this.#directory, file, value);
  }
}

/** The command may have made cgroups below its own. */
function pidsIn(directory: string): number[] {
  const own = read(posix.join(directory, "cgroup.procs")).split("\n").filter(Boolean).map(Number);
  return [...own, ...directoriesIn(directory).flatMap((name) => pidsIn(posix.join(directory, name)))];
}

/** Gives up a leaf whose command could not be started, or was lost on its way: with whatever that may have started. */
export function discardLeaf(directory: string): void {
  if (removeTree(directory)) return;
  unlessPassing(() => endAll(directory), undefined);
  removeSoon(directory, MOST_REMOVALS);
}

/** Sends SIGKILL to everything in a cgroup. Throws as kernel-files.ts does: nobody has got it then. */
function endAll(directory: string): void {
  if (write(directory, "cgroup.kill", "1")) return;
  // Before Linux 5.14. Frozen, so that none ends and none is new while they are gone through.
  write(directory, "cgroup.freeze", "1");
  for (const process of processesOf(pidsIn(directory))) signalProcess(process, SIGKILL);
  write(directory, "cgroup.freeze", "0");
}

function write(directory: string, file: string, value: string): boolean {
  try {
    // Without O_CREAT, which a file system of the kernel's refuses in other words than "no such file".
    const fd = openSync(posix.join(directory, file), constants.O_WRONLY);
    try {
      writeFileSync(fd, value);
    } finally {
      closeSync(fd);
    }
    return true;
  } catch {
    return false;
  }
}

/** What is not removed by then the watcher removes, when we are gone. */
function removeSoon(directory: string, times: number): void {
  if (removeTree(directory) || times === 0) return;
  setTimeout(() => removeSoon(directory, times - 1), REMOVE_AGAIN_MS).unref();
}
