/** Says that the command line is wrong. Exit status 125. */
export class UsageError extends Error {}
