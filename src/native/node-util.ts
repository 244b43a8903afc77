/**
 * node:util as `require` gives it. A static import reads all that it exports at once, and since Node 22 one of these
 * loads what asks whether our stderr has colours: that opens it, which makes a pipe non-blocking for all who have it,
 * throws on a terminal that has hung up, and takes time.
 */

import { builtin } from "./addon.js";

export const { debuglog, getSystemErrorMap, inspect, parseArgs, promisify } = builtin("node:util") as typeof import("node:util");
