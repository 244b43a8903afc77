/**
 * One test body on each engine under Node's child_process: Node's own, brood's by registration, and brood's by
 * its module `brood/child_process`. The same assertions hold.
 */

import assert from "node:assert/strict";
import childProcess, { type ChildProcess } from "node:child_process";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import * as broods from "brood/child_process";
import { register, unregister } from "brood/register";
import { test } from "./test.js";

// Importing has registered. Each test does so by itself.
unregister();

export type Engine = "node" | "register" | "module";
export type NodeApi = typeof childProcess;

export interface OnEngine {
  cp: NodeApi;
  engine: Engine;
  /** Whether brood spawns. */
  ours: boolean;
  context: TestContext;
}

export const ENGINES: Record<Engine, NodeApi> = {
  node: childProcess,
  register: childProcess,
  module: broods as unknown as NodeApi,
};

/** Runs a test on every engine. */
export function onEachEngine(name: string, body: (on: OnEngine) => unknown): void {
  for (const [engine, cp] of Object.entries(ENGINES) as [Engine, NodeApi][]) {
    test(`${name} (${engine})`, async (context) => {
      if (engine === "register") assert.equal(register(), true);
      try {
        await body({ cp, engine, ours: engine !== "node", context });
      } finally {
        if (engine === "register") unregister();
      }
    });
  }
}

export interface NodeEnd {
  code: number | null;
  signal: string | null;
}

/** Waits for `close`. */
export function closed(child: ChildProcess): Promise<NodeEnd> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
}

/** Everything that a child writes, and its end. */
export async function outcome(child: ChildProcess): Promise<NodeEnd & { stdout: string; stderr: string }> {
  const [stdout, stderr, end] = await Promise.all([
    child.stdout === null ? "" : text(child.stdout),
    child.stderr === null ? "" : text(child.stderr),
    closed(child),
  ]);
  return { stdout, stderr, ...end };
}

/** What an import statement for this engine is, in a process of its own: it gives `cp`. */
export function importOf(engine: Engine): string {
  const module = engine === "module" ? import.meta.resolve("brood/child_process") : "node:child_process";
  const first = engine === "register" ? `import ${JSON.stringify(import.meta.resolve("brood/register"))};\n` : "";
  return `${first}import * as cp from ${JSON.stringify(module)};`;
}
