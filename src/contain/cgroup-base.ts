/**
 * The cgroup in which an environment's leaves are, and its watcher: a process of ours (native/keeper.c, in the role
 * "watch") that ends everything in it and removes it when we are gone, by whatever death.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { posix } from "node:path";
import { SpawnError } from "../errors.js";
import { type Monitor, monitor } from "../kernel/monitor.js";
import { launch, plan } from "../launch/direct.js";
import { keeperPath } from "../native/addon.js";
import { type Controller, makeBase, removeTree } from "./cgroup-place.js";

/** A watcher never gets a signal of ours: it goes when its socket ends. */
const UNTOUCHED = { signal: 0, grace: -1 };
/** After so long a watcher that could not be started again is tried again. */
const AGAIN_MS = 100;

export class CgroupBase {
  readonly directory: string;
  readonly #monitor: Monitor = monitor();
  #leaves = 0;

  /** @throws NoPlace; SpawnError if there can be no watcher. */
  constructor(controllers: readonly Controller[]) {
    // The global, which is loaded when it is first used: node:crypto would add 2 ms to every import of ours.
    const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
    this.directory = makeBase(random.toString(16).padStart(8, "0"), controllers);
    try {
      this.#watch();
    } catch (error) {
      removeTree(this.directory);
      throw error;
    }
  }

  /** Makes a leaf with these limits, by the names of their files. */
  leaf(limits: ReadonlyMap<string, string>): string {
    const directory = posix.join(this.directory, String(this.#leaves++));
    mkdirSync(directory);
    try {
      for (const [file, value] of limits) writeFileSync(posix.join(directory, file), value);
    } catch (error) {
      removeTree(directory);
      throw error;
    }
    return directory;
  }

  /** Has the watcher started, and started again should it be killed. */
  #watch(): void {
    const options = { stdin: "socket", stdout: "ignore", stderr: "ignore", session: true, cwd: "/", extendEnv: false } as const;
    const planned = plan(keeperPath(), ["watch", this.directory], { ...options, argv0: "brood-keeper" }, [
      "ignore",
      "ignore",
      "ignore",
    ]);
    const { index, pipes } = launch(planned, UNTOUCHED);
    const socket = pipes[0]?.index as number;
    this.#monitor.watch(index, {
      onEvent: () => {
        this.#monitor.remove(index);
        this.#monitor.remove(socket);
        this.#watchAgain();
      },
      // The watcher is there for our end, and goes on.
      onFailure: () => {},
    });
  }

  /** No process is to be had at the moment, say: then soon. */
  #watchAgain(): void {
    try {
      this.#watch();
    } catch (error) {
      if (!(error instanceof SpawnError)) throw error;
      setTimeout(() => this.#watchAgain(), AGAIN_MS).unref();
    }
  }
}

const bases = new Map<string, CgroupBase>();

/** Gives the environment's base with these controllers, made on first use. */
export function cgroupBase(controllers: readonly Controller[]): CgroupBase {
  const key = [...controllers].sort().join(" ");
  let base = bases.get(key);
  if (base === undefined) {
    base = new CgroupBase(controllers);
    bases.set(key, base);
  }
  return base;
}
