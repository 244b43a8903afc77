/**
 * What it takes until the library is there, and until the first child was started by it and has ended.
 *
 * A program is a file. What Node takes to load the first module of a file it takes with or without a library, so "added to
 * the start of an application" compares two applications of one file: one imports the library, the other is empty. The
 * row below it compares with a Node that loads no file at all, and so has Node's own loader in it.
 */

const absent = { c: "it imports nothing" };

export default {
  name: "import",
  rounds: 4,
  measurements: [
    {
      task: "starting",
      parameters: { times: 15 },
      absent,
      rows: [
        { id: "added", title: "added to the start of an application", metric: "added", unit: "ms" },
        { id: "bare", title: "added to `-e ''`", metric: "bare", unit: "ms" },
      ],
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
