/** What a live child adds to the resident memory of its parent. */

const absent = { c: "it keeps a few integers for each" };

export default {
  name: "memory",
  rounds: 2,
  measurements: [
    {
      task: "memory",
      parameters: { stdio: "ignore", alive: 300 },
      absent,
      rows: [{ id: "ignored", title: "no pipes", metric: "kib", unit: "KiB" }],
    },
    {
      task: "memory",
      parameters: { stdio: "pipe", alive: 300 },
      absent,
      rows: [{ id: "pipes", title: "three pipes", metric: "kib", unit: "KiB" }],
    },
  ],
};
