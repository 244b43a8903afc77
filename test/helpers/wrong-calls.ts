/**
 * What wrong calls are answered with: the classes and codes of docs/errors.md, "Mistakes".
 */

export const TYPE = { name: "TypeError", code: "ERR_INVALID_ARG_TYPE" };
export const VALUE = { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" };
export const RANGE = { name: "RangeError", code: "ERR_OUT_OF_RANGE" };
export const UNKNOWN = { name: "TypeError", code: "ERR_UNKNOWN_OPTION" };
export const SIGNAL = { name: "TypeError", code: "ERR_UNKNOWN_SIGNAL" };
export const CONFLICT = { name: "TypeError", code: "ERR_OPTION_CONFLICT" };

/** A string that UTF-8 can't say. */
export const LONE = "\ud800";
