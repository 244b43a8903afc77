/** Importing it registers. */

import { register } from "./registration.js";

register();

export { register, unregister } from "./registration.js";
