/** What it takes until the library is there, and until the first child was started by it and has ended. */

const absent = { c: "it imports nothing" };

export default {
  name: "import",
  rounds: 4,
  measurements: [
    {
      task: "starting",
      parameters: { times: 11 },
      absent,
      rows: [{ id: "added", title: "added to a bare start", metric: "added", unit: "ms" }],
    },
    {
      task: "import",
      parameters: {},
      absent,
      rows: [
        { id: "import", title: "import", metric: "import", unit: "ms" },
        { id: "first", title: "import and first child", metric: "first", unit: "ms" },
      ],
    },
  ],
};
