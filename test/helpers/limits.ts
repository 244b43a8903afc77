/**
 * Time limits that end a command which has begun. On a slow machine one may end it before it could: that shows nothing, and is
 * tried again with more time.
 */

/** Calls `body` with a limit in milliseconds, four times as large as long as it gives false: the command had not begun. */
export async function withLimit(ms: number, body: (ms: number) => unknown): Promise<void> {
  for (let limit = ms; limit <= ms * 64; limit *= 4) if ((await body(limit)) !== false) return;
  throw new Error(`the command has not begun within ${ms * 64} ms`);
}
