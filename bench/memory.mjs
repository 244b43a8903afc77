/** What a live child adds to the resident memory of its parent. */

const absent = { c: "it keeps a few integers for each" };
const SLOW = "starting 10,000 children takes it too long";

export default {
  name: "memory",
  rounds: 2,
  measurements: [
    {
      task: "memory",
      parameters: { stdio: "ignore", alive: 10_000 },
      absent: { ...absent, execa: SLOW, asyncio: SLOW },
      rows: [{ id: "ignored", title: "no pipes, 10,000 alive", metric: "kib", unit: "KiB" }],
    },
    {
      task: "memory",
      parameters: { stdio: "pipe", alive: 300 },
      absent,
      rows: [{ id: "pipes", title: "three pipes, 300 alive", metric: "kib", unit: "KiB" }],
    },
  ],
};
