/**
 * The types of Node's child_process with what brood adds to them.
 */

import type { Child } from "../process/child.js";
import type { AddedOptions } from "./added-options.js";

export type * from "node:child_process";

declare module "child_process" {
  interface ProcessEnvOptions {
    /** What brood adds to Node's options; without effect where Node's own engine is in use. */
    brood?: AddedOptions | undefined;
  }
  interface ChildProcess {
    /** The same child as brood knows it: states, usage, terminate(). Undefined where Node's own engine has spawned it. */
    readonly brood?: Child;
  }
}

/** A ChildProcess of Node's that is on brood's engine. */
export type NodeChildWithBrood = import("node:child_process").ChildProcess & { readonly brood: Child };
