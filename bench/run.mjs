/** Run a command for its output. */

const captured = (as) => ({
  task: "capture",
  parameters: { mib: 200, as },
  rows: [{ id: `capture-${as}`, title: `200 MiB of ${as}`, metric: "ms", unit: "ms" }],
});

export default {
  name: "run",
  measurements: [
    {
      task: "run",
      parameters: { warm: 1500, ms: 250 },
      rows: [{ id: "small", title: "a line of text", metric: "us", unit: "µs" }],
    },
    captured("bytes"),
    captured("text"),
  ],
};
