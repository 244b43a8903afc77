/** A byte to a child that runs, and back. */
export default {
  name: "echo",
  measurements: [
    {
      task: "echo",
      parameters: { warm: 300, ms: 200 },
      rows: [{ id: "byte", title: "one byte there and back", metric: "us", unit: "µs" }],
    },
  ],
};
