/** Run a command for its output. */
export default {
  name: "run",
  measurements: [
    {
      task: "run",
      parameters: { warm: 1500, ms: 200 },
      rows: [{ id: "small", title: "a line of text", metric: "us", unit: "µs" }],
    },
    {
      task: "capture",
      parameters: { mib: 200 },
      rows: [{ id: "capture", title: "200 MiB of bytes", metric: "ms", unit: "ms" }],
    },
  ],
};
