/**
 * What the numbers should be, and whether they are: ratios of medians, out of the results.
 */

import { digits, median } from "./numbers.mjs";

/**
 * @typedef {[question: string, row: string, contestant: string]} Cell
 *
 * @typedef {object} Target
 * @property {string} what
 * @property {Cell} [of] This median,
 * @property {Cell} [over] divided by that,
 * @property {Cell[]} [flat] or the greatest of these divided by the least,
 * @property {string} [soak] or this of the soak's, the median of its last quarter divided by that of its second,
 * @property {number} [atMost] is at most,
 * @property {number} [atLeast] at least,
 * @property {number} [below] less than,
 * @property {number} [above] more than this.
 * @property {string} [unit] Of what is no ratio.
 */

const of = (question, row, contestant = "brood") => [question, row, contestant];

/** Against a contestant in the same row. */
const against = (what, question, row, other, bound, contestant = "brood") => ({
  what,
  of: of(question, row, contestant),
  over: of(question, row, other),
  ...bound,
});
/** How many times as long as we the other takes. */
const ahead = (what, question, row, other, atLeast) => ({
  what,
  of: of(question, row, other),
  over: of(question, row),
  ...(atLeast === undefined ? { above: 1 } : { atLeast }),
});

function spawns(question, title, atMostC) {
  return [
    ["one", "one at a time"],
    ["one-resident", "50 MiB resident"],
    ["hundred", "100 at once"],
  ].flatMap(([row, how]) => [
    against(`${title}, ${how}: time, C = 1`, question, row, "c", { atMost: atMostC }),
    ahead(`${title}, ${how}: Bun's time, ours = 1`, question, row, "bun"),
    ...(row !== "hundred" ? [ahead(`${title}, ${how}: Node's time, ours = 1`, question, row, "node", 7)] : []),
  ]);
}

const KINDS = { pipe64: "pipe of 64 KiB", pipe1m: "pipe of 1 MiB", socket: "socketpair" };

const throughput = (way, title, atLeast) => [
  ...Object.entries(KINDS).map(([kind, name]) =>
    against(`${title}, ${name}: rate, C = 1`, "throughput", `${way}-${kind}`, "c", { atLeast }),
  ),
  ...[
    ["node", "Node"],
    ["bun", "Bun"],
  ].map(([id, name]) => against(`${title}, socketpair: rate, ${name} = 1`, "throughput", `${way}-socket`, id, { above: 1 })),
];

const SIZES = [50, 1024, 4096];

/** @type {Target[]} */
export const targets = [
  ...spawns("spawn-ignored", "spawn and exit, no pipes", 1.5),
  ...spawns("spawn-pipes", "spawn and exit, three pipes", 1.6),
  against("`run` of a line: time, C = 1", "run", "small", "c", { atMost: 1.7 }),
  ahead("`run` of a line: Bun's time, ours = 1", "run", "small", "bun"),
  ahead("`run` of a line: execa's time, ours = 1", "run", "small", "execa", 8),
  {
    what: "event loop blocked, 50 MiB to 4 GiB: most / least",
    flat: SIZES.map((x) => of("blocked", `resident-${x}`)),
    atMost: 1.2,
  },
  ahead("event loop blocked, 4 GiB: Node's time, ours = 1", "blocked", "resident-4096", "node", 300),
  {
    what: "event loop blocked, 18,000 fds: time, few fds = 1",
    of: of("blocked", "fds-18000"),
    over: of("blocked", "fds-0"),
    atMost: 1.3,
  },
  {
    what: "CPU time of an exit, 100 to 10,000 alive: most / least",
    flat: [100, 1000, 10_000].map((alive) => of("exits-alive", `cpu-${alive}`)),
    atMost: 1.3,
  },
  ahead("CPU time of an exit, 10,000 alive: Node's, ours = 1", "exits-alive", "cpu-10000", "node", 20),
  ...throughput("receive", "child to parent", 0.9),
  ...[
    ["kept", "32 MiB kept"],
    ["into", "into one buffer"],
  ].flatMap(([row, how]) =>
    Object.entries(KINDS).map(([kind, name]) =>
      against(`child to parent, ${how}, ${name}: rate, C = 1`, "throughput", `${row}-${kind}`, "c", { atLeast: 0.9 }),
    ),
  ),
  ...throughput("send", "parent to child", 0.85),
  {
    what: "200 MiB of bytes captured: rate, C = 1",
    of: of("run", "capture-bytes", "c"),
    over: of("run", "capture-bytes"),
    atLeast: 0.6,
  },
  {
    what: "200 MiB of text captured: rate, C = 1",
    of: of("run", "capture-text", "c"),
    over: of("run", "capture-text"),
    atLeast: 0.5,
  },
  ...["bytes", "text"].flatMap((as) => [
    ahead(`200 MiB of ${as} captured: execa's time, ours = 1`, "run", `capture-${as}`, "execa", 1.5),
    ahead(`200 MiB of ${as} captured: Bun's time, ours = 1`, "run", `capture-${as}`, "bun"),
  ]),
  ahead("a byte there and back: Node's time, ours = 1", "echo", "byte", "node"),
  ahead("a byte there and back: Bun's time, ours = 1", "echo", "byte", "bun"),
  against("memory of a live child, 10,000 alive, no pipes: Node = 1", "memory", "ignored", "node", { below: 1 }),
  against("memory of a live child, three pipes: Node = 1", "memory", "pipes", "node", { below: 1 }),
  { what: "import, added to the start of an application", of: of("import", "added"), atMost: 8, unit: "ms" },
  { what: "import, added to `-e ''`", of: of("import", "bare"), atMost: 8, unit: "ms" },
  against("`runSync` of a line: time, C = 1", "run-sync", "own", "c", { atMost: 1.5 }),
  ahead("`runSync` of a line: `Bun.spawnSync`'s time, ours = 1", "run-sync", "own", "bun"),
  ...[
    ["50 MiB", "ignore-memory-50"],
    ["4 GiB", "ignore-memory-4096"],
    ["18,000 fds", "ignore-fds-18000"],
  ].flatMap(([title, row]) => [
    { what: `event loop blocked, through a host, ${title}`, of: of("host", `blocked-${row}`, "host"), below: 30, unit: "µs" },
  ]),
  {
    what: "event loop blocked, through a host, three pipes, 18,000 fds: time, few fds = 1",
    of: of("host", "blocked-pipe-fds-18000", "host"),
    over: of("host", "blocked-pipe-fds-0", "host"),
    atMost: 1.3,
  },
  against(
    "100 in flight through a host, no pipes: time, directly = 1",
    "host",
    "ignore-hundred",
    "brood",
    { atMost: 1.3 },
    "host",
  ),
  against("contained by a keeper: time, not contained = 1", "containment-cost", "one", "brood", { atMost: 3.5 }, "keeper"),
  against(
    "contained by a keeper, through a host: time, not contained = 1",
    "containment-cost",
    "one",
    "brood",
    { atMost: 2 },
    "keeper-host",
  ),
  ...[
    ["spawn-small", "`child_process.spawn`", 3],
    ["spawn-1024", "`child_process.spawn`, 1 GiB resident", 50],
    ["execFile-small", "`execFile` of a line", 1],
    ["spawnSync-small", "`spawnSync` of a line", 1],
  ].map(([row, title, atLeast]) => ({
    what: `${title}, registered: time as it is, registered = 1`,
    of: of("register", row, "node"),
    over: of("register", row, "registered"),
    atLeast,
  })),
  {
    what: "the end of a child, registered, 100 to 5,000 alive: most / least",
    flat: [100, 1000, 5000].map((alive) => of("register", `alive-${alive}`, "registered")),
    atMost: 1.3,
  },
  ...[
    ["rssMiB", "resident memory"],
    ["heapKiB", "heap"],
    ["fds", "open fds"],
    ["p50", "median time of a spawn"],
  ].map(([soak, title]) => ({ what: `soak, ${title}: last quarter of the spawns, second = 1`, soak, atMost: 1.1 })),
];

/** Gives what has been measured, undefined where there is nothing. */
function measured(target, results) {
  if (target.soak !== undefined) {
    const values = results.soak?.points.map((point) => point[target.soak]) ?? [];
    const quarter = (n) => median(values.slice((n * values.length) / 4, ((n + 1) * values.length) / 4));
    return quarter(3) / quarter(1);
  }
  const middle = ([question, row, contestant]) => {
    const samples = results[question]?.rows[row]?.cells[contestant].samples;
    return samples === undefined ? Number.NaN : median(samples);
  };
  if (target.flat !== undefined) {
    const all = target.flat.map(middle);
    return Math.max(...all) / Math.min(...all);
  }
  return middle(target.of) / (target.over === undefined ? 1 : middle(target.over));
}

const BOUNDS = {
  atMost: ["≤", (value, bound) => value <= bound],
  atLeast: ["≥", (value, bound) => value >= bound],
  below: ["<", (value, bound) => value < bound],
  above: [">", (value, bound) => value > bound],
};

/** Gives the cells of a table of all targets, its head first. */
export function targetTable(results) {
  const lines = targets.map((target) => {
    const [name] = Object.keys(BOUNDS).filter((bound) => target[bound] !== undefined);
    const [sign, holds] = BOUNDS[name];
    const unit = target.unit === undefined ? "" : ` ${target.unit}`;
    const value = measured(target, results);
    if (Number.isNaN(value)) return [target.what, `${sign} ${target[name]}${unit}`, "–", "not measured"];
    const verdict = holds(value, target[name]) ? "met" : "**missed**";
    return [target.what, `${sign} ${target[name]}${unit}`, digits(value) + unit, verdict];
  });
  return [["", "target", "measured", ""], ...lines];
}
