/** How fast bytes move, in blocks of 64 KiB. */

const KINDS = { pipe64: "pipe of 64 KiB", pipe1m: "pipe of 1 MiB", socket: "socketpair" };

/** C has 512 KiB from the start. */
const GROWS = { grows: "pipe that grows to 512 KiB" };

const moved = (task, way, kinds) =>
  Object.entries(kinds).map(([kind, title]) => ({
    task,
    parameters: { kind, mib: 2048 },
    rows: [{ id: `${task}-${kind}`, title: `${way}, ${title}`, metric: "gbps", unit: "GB/s" }],
  }));

/** One buffer that all is read into: as large as C's. */
const BUFFER = 262_144;
const OWN = "each chunk has memory of its own";

const intoOneBuffer = moved("receive", "child to parent, into one buffer", KINDS).map(({ parameters, rows: [row], ...rest }) => ({
  ...rest,
  parameters: { ...parameters, buffer: BUFFER },
  absent: { node: OWN, execa: OWN, bun: OWN, asyncio: OWN },
  rows: [{ ...row, id: `into-${parameters.kind}` }],
}));

/** As much as V8 lets gather in array buffers before it collects them: memory that C takes in turn there, as if it were given away. */
const KEPT_MIB = 32;
const ABOVE = "its rows are those above";

const kept = moved("receive", `child to parent, ${KEPT_MIB} MiB kept`, KINDS).map(({ parameters, rows: [row], ...rest }) => ({
  ...rest,
  parameters: { ...parameters, kept: KEPT_MIB },
  absent: { node: ABOVE, execa: ABOVE, bun: ABOVE, asyncio: ABOVE },
  rows: [{ ...row, id: `kept-${parameters.kind}` }],
}));

export default {
  name: "throughput",
  measurements: [
    ...moved("receive", "child to parent", { ...KINDS, ...GROWS }),
    ...kept,
    ...intoOneBuffer,
    ...moved("send", "parent to child", KINDS),
  ],
};
