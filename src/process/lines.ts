/**
 * Lines of a stream of bytes.
 */

import { StringDecoder } from "node:string_decoder";

/**
 * Iterates over the lines of what comes in chunks, without their ends (\n or \r\n). The last may lack its end. A chunk has been
 * decoded when the next is asked for; nothing is asked for before the first line is.
 */
export async function* linesOf(chunks: () => AsyncIterable<Buffer | string>): AsyncIterableIterator<string> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  let failure: { error: unknown } | undefined;
  try {
    for await (const chunk of chunks()) {
      const text = typeof chunk === "string" ? chunk : decoder.write(chunk);
      let from = 0;
      for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", from)) {
        const line = rest + text.slice(from, at);
        rest = "";
        from = at + 1;
        yield line.endsWith("\r") ? line.slice(0, -1) : line;
      }
      rest += text.slice(from);
    }
  } catch (error) {
    failure = { error };
  }
  rest += decoder.end();
  // Also of a stream that was cut: the error comes after its data.
  if (rest !== "") yield rest;
  if (failure !== undefined) throw failure.error;
}
