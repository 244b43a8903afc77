/**
 * `test` of node:test, which also fails where anything is left behind: an fd, a child, a zombie, a listener.
 */

import { test as nodeTest, type TestContext } from "node:test";
import { run } from "brood";
import { takeStock } from "./leaks.js";

/** What brood and Node create once, on first use, is no leak. */
const warm = run("true").then(() => process.stdout.isTTY);

export function test(name: string, body: (context: TestContext) => unknown): void {
  void nodeTest(name, { timeout: 120_000 }, async (context) => {
    await warm;
    const compare = takeStock();
    await body(context);
    await compare();
  });
}
