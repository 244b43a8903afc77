/**
 * brood/protocol: a child as a transport that tells a protocol, for those who come from asyncio, uvloop or Twisted.
 */

export { spawnProcess, subprocessExec, subprocessShell } from "./protocol/create.js";
export type { ProcessProtocol, Producer, Source } from "./protocol/interface.js";
export type { ChildFD, ProtocolOptions } from "./protocol/options.js";
export { PipeTransport } from "./protocol/pipe-transport.js";
export { ProcessTransport } from "./protocol/process-transport.js";
