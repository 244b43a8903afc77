/**
 * brood's engine under Node's own child_process, by importing this: `node --import brood/register app.js`.
 */

export type { AddedOptions } from "./compat/added-options.js";
export type { NodeChildWithBrood } from "./compat/node-types.js";
export { register, unregister } from "./compat/register-now.js";
