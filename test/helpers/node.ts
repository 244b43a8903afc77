/**
 * Runs a piece of JavaScript in a Node process of its own, by Node's own child_process: for what can't be
 * done to the test's process itself. `spawn`, `run` and all of brood are in scope.
 */

import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

export interface NodeResult {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

export interface NodeOptions {
  /** Words put before `node`: a wrapper such as ["sh", "-c", 'exec "$@" 0<&-', "sh"]. */
  wrapper?: string[];
  nodeArgs?: string[];
  env?: Record<string, string | undefined>;
  cwd?: string;
  uid?: number;
  gid?: number;
}

/** Runs `code` as an ES module; what it prints is the result. */
export async function runNode(code: string, options: NodeOptions = {}): Promise<NodeResult> {
  const source = `import * as brood from ${JSON.stringify(import.meta.resolve("brood"))};\nconst { spawn, run } = brood;\n${code}`;
  const words = [...(options.wrapper ?? []), process.execPath, ...(options.nodeArgs ?? []), "--input-type=module", "-e", source];
  const { uid, gid, cwd } = options;
  const child = spawn(words[0] as string, words.slice(1), {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(cwd === undefined ? {} : { cwd }),
  });
  const [stdout, stderr, [exitCode, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<[number | null, string | null]>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (...end) => resolve(end));
    }),
  ]);
  return { code: exitCode, signal, stdout, stderr };
}
