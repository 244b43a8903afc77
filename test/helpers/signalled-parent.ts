/** A Node process with children, that gets a signal, and how it ends. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { act } from "./act.js";

const IMPORTS = `import { spawn, installSignalCleanup } from ${JSON.stringify(import.meta.resolve("brood"))};
      import { writeSync } from "node:fs";
      const act = ${JSON.stringify(act)};
      // At once: what a worker prints otherwise goes through the main thread.
      const tell = (...words) => writeSync(1, words.join(" ") + "\\n");
      async function start(stubborn, options) {
        const words = stubborn ? ["ignore", "15"] : ["on", "15", ""];
        const child = spawn(act, [...words, "say", "2", "ready", "pause"], { stdin: "ignore", stdout: "ignore", ...options });
        await child.stderr.lines().next();
        tell(child.pid);
        return child;
      }`;

/** What makes a worker that runs this code, with the same at hand. */
export function workerOf(code: string): string {
  const source = `data:text/javascript,${encodeURIComponent(`${IMPORTS}\n${code}`)}`;
  return `new (await import("node:worker_threads")).Worker(new URL(${JSON.stringify(source)}))`;
}

/** Prints lines; `start` in its code starts a child that is ready. */
export class SignalledParent {
  readonly #process;
  readonly #lines;
  readonly end: Promise<[code: number | null, signal: string | null]>;

  constructor(code: string) {
    const source = `${IMPORTS}
      ${code}`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], { stdio: ["ignore", "pipe", "inherit"] });
    this.#process = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.end = once(child, "close") as Promise<[number | null, string | null]>;
  }

  async line(): Promise<string> {
    return (await this.#lines.next()).value ?? "";
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }
}
