/**
 * What a child that the protocol style started finds itself to be.
 */

import assert from "node:assert/strict";
import { type ProtocolOptions, spawnProcess } from "brood/protocol";
import { childPath } from "./children.js";
import { Recorder } from "./recorder.js";
import { parseReport, type Report } from "./report.js";

/** Starts a child with these options, and gives what it says of itself, on that fd. */
export async function reportBy(options: ProtocolOptions = {}, fd = 1, file = childPath("report")): Promise<Report> {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, file, [String(fd)], options);
  await recorder.ended;
  assert.equal(transport.getReturnCode(), 0, recorder.text(2));
  return parseReport(recorder.text(fd));
}
