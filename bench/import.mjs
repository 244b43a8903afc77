/** What it takes until the library is there, and until the first child was started by it and has ended. */
export default {
  name: "import",
  rounds: 6,
  measurements: [
    {
      task: "import",
      parameters: {},
      absent: { c: "it imports nothing" },
      rows: [
        { id: "import", title: "import", metric: "import", unit: "ms" },
        { id: "first", title: "import and first child", metric: "first", unit: "ms" },
      ],
    },
  ],
};
