/**
 * What a spawn host's child asks of us before it can go on: the id maps of a new user namespace.
 */

import { monitor } from "../kernel/monitor.js";
import type { IdMaps } from "../program/namespaces.js";

/** Answers a child that asks for the id maps of its user namespace. What it gives ends that. */
export function answerIdMaps(socket: number, { uid, gid, denySetgroups, own }: IdMaps): () => void {
  const watching = monitor();
  const texts = Buffer.from(`${own.uid ? "" : uid}\0${own.gid ? "" : gid}\0`);
  let open = true;
  // A child that waits reads the end, and reports that.
  const stop = (): void => {
    if (open) watching.remove(socket);
    open = false;
  };
  const answer = (): void => {
    if (watching.native.answerIdMaps(socket, texts, denySetgroups ? 1 : 0) < 0) stop();
  };
  watching.watch(socket, { onEvent: answer, onFailure: stop });
  if (watching.native.arm(socket) < 0) stop();
  return stop;
}
