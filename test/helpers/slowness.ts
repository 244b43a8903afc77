/**
 * How many times slower than an ordinary machine this one is, for the limits of time that guard against hangs: an emulated
 * machine (scripts/kernel.mjs) says so.
 */

export const SLOWNESS = Number(process.env["TEST_SLOWNESS"] ?? 1);
