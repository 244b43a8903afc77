/**
 * The tasks, for all contestants in JavaScript: each measures itself, after a warm-up, and prints one line
 * of JSON. A contestant brings an adapter, which does one thing at a time in its library's own way.
 *
 *   PROGRAM TASK KEY=VALUE...
 */

import { median } from "../harness/numbers.mjs";

/**
 * What a contestant can do. Where it can't, it throws an Absence.
 *
 * @typedef {object} Adapter
 * @property {(file: string, stdio: "ignore" | "pipe") => Promise<unknown>} exit Starts a child that ends by itself; settles
 * when it has ended and its pipes were read to their end. What it does before it returns is the spawn.
 * @property {(file: string, stdio: "ignore" | "pipe") => Promise<{ closed: Promise<unknown> }>} [begin] Where `exit` waits for the
 * child to be there, and leaves the event loop alone meanwhile: settles when it is there.
 * @property {(file: string, stdio: "ignore" | "pipe") => unknown} idle Starts a child that stays.
 * @property {(file: string) => () => Promise<unknown>} victim Starts a child that stays; gives what kills it and waits for its end.
 * @property {(file: string, mib: number, kind: string, buffer?: number) => Promise<number>} receive Counts what a child writes;
 * `buffer`: reads it all into the same so many bytes.
 * @property {(file: string, mib: number, kind: string) => Promise<unknown>} send Writes to a child that reads it all.
 * @property {(file: string) => Promise<string>} run Runs a command for its text.
 * @property {(file: string, api: "own" | "node") => (() => string) | Promise<() => string>} runSync Gives what runs a command for
 * its text, blocking: by the library's own function, or by spawnSync of node:child_process.
 * @property {(file: string, mib: number, as: "bytes" | "text") => Promise<number>} capture Runs a command for its bytes, or for its
 * text; gives how many bytes, or characters, there are.
 * @property {(file: string) => () => Promise<unknown>} echo Starts a child that echoes; gives the round trip.
 * @property {(file: string) => Promise<number>} [keeper] Starts a child that stays, and gives the pid of what keeps it.
 * @property {(count: number) => Promise<Pick<Adapter, "exit" | "victim">[]>} [hosts] Makes so many hosts.
 */

/** A contestant doesn't have what a row is about. */
export class Absence extends Error {}

const BLOCK = 65536;
const SETTLE_MS = 300;
/** How many children are ended in a row, and how often before it counts. */
const VICTIMS = 50;
const WARM_BATCHES = 4;
/** Children before it counts, and of how many it is the median: by then what moves chunks, and what begins and ends a stream, is compiled. */
const WARM_MOVES = 8;
const WARM_MIB = 512;
const MOVES = 5;
const LEAST_BATCHES = 5;
const MOST_BATCHES = 10;

/** Milliseconds on the monotonic clock. */
const now = () => performance.now();

/** Calls `round` again and again; gives how many times, and the milliseconds of all. */
async function repeat(ms, round) {
  const begin = now();
  let count = 0;
  do {
    await round();
    count++;
  } while (now() - begin < ms);
  return { count, ms: now() - begin };
}

/** Microseconds of one round, over so many milliseconds. */
async function lasting(most, round) {
  const { count, ms } = await repeat(most, round);
  return (ms * 1000) / count;
}

/** The same, after warm-up. */
async function timed(parameters, round) {
  await repeat(parameters.warm, round);
  return lasting(parameters.ms, round);
}

const sum = (values) => values.reduce((a, b) => a + b, 0);

/** @returns {number[]} */
const stepsOf = (parameters) => String(parameters.steps).split(",").map(Number);

async function residentKiB() {
  const { readFileSync } = await import("node:fs");
  return Number(/VmRSS:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
}

async function collectGarbage() {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (globalThis.Bun !== undefined) Bun.gc(true);
    else globalThis.gc();
  }
}

/** The kernel has its work with memory that has just been touched, and then the caches are cold. */
async function settled(round) {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  await repeat(SETTLE_MS, round);
}

/** @type {Record<string, (adapter: Adapter, parameters: any) => Promise<Record<string, number>>>} */
const TASKS = {
  /** Spawn, exit, all pipes at their end: one at a time, and a hundred at once. */
  async exit(adapter, p) {
    const one = () => adapter.exit(p.child, p.stdio);
    const hundred = () => Promise.all(Array.from({ length: 100 }, one));
    await repeat(p.warm * 0.8, one);
    await repeat(p.warm * 0.2, hundred);
    return { one: await lasting(p.ms, one), hundred: (await lasting(p.ms, hundred)) / 100 };
  },

  /** Several ways to start a child, in one process, since its memory or its many children take long to be there. */
  async calls(adapter, p) {
    const stopwatch = await Stopwatch.make();
    const runSync = await adapter.runSync(p.child, "node");
    const ways = {
      spawn: () => stopwatch.spawn(adapter, p.child, "ignore"),
      pipes: () => adapter.exit(p.child, "pipe"),
      execFile: () => adapter.run(p.child),
      spawnSync: () => runSync(),
    };
    const numbers = {};
    for (const [way, round] of Object.entries(ways)) {
      await repeat(p.warm, round);
      if (way === "spawn") stopwatch.reset();
      numbers[way] = await lasting(p.ms, round);
    }
    return { ...numbers, blocked: stopwatch.us };
  },

  /** How long the event loop stands still for a spawn, with more and more memory or fds. */
  async blocked(adapter, p) {
    const { openSync } = await import("node:fs");
    const held = [];
    const stopwatch = await Stopwatch.make();
    const round = () => stopwatch.spawn(adapter, p.child, p.stdio ?? "ignore");
    const numbers = {};
    await repeat(p.warm, round);
    for (const step of stepsOf(p)) {
      if (p.what === "fds") for (; held.length < step; ) held.push(openSync("/dev/null", "r"));
      else for (; held.length < step; ) held.push(new Uint8Array(2 ** 20).fill(1));
      await settled(round);
      stopwatch.reset();
      await repeat(p.ms, round);
      numbers[`us${step}`] = stopwatch.us;
      numbers[`own${step}`] = stopwatch.ownUs;
    }
    return numbers;
  },

  /** The same, where the opening of the executable takes so long: see test/children/lease.c. */
  async slow(adapter, p) {
    const { spawn } = await import("node:child_process");
    const holder = spawn(p.lease, [p.copy, `${p.delay}`], { stdio: ["pipe", "pipe", "inherit"] });
    const said = listener(holder.stdout);
    const stopwatch = await Stopwatch.make();
    for (let i = 0; i < p.rounds; i++) {
      holder.stdin.write("t");
      await said("held\n");
      await stopwatch.spawn(adapter, p.copy, "ignore");
      await said("asked\ngiven up\n");
    }
    return { us: stopwatch.us };
  },

  /**
   * Ends of children among others that live: from the kill until the end is known. And a spawn with exit among them. What is
   * compiled on the way of a kill is warmed up, too; the garbage of starting the others is none of an end's cost.
   */
  async alive(adapter, p) {
    const held = [];
    const numbers = {};
    await repeat(p.warm / 2, () => adapter.exit(p.child, "ignore"));
    await repeat(p.warm / 2, () => adapter.victim(p.child)());
    for (const step of stepsOf(p)) {
      for (; held.length < step; ) held.push(adapter.idle(p.child, "ignore"));
      await collectGarbage();
      const batch = async () => {
        const victims = Array.from({ length: VICTIMS }, () => adapter.victim(p.child));
        // What they still do to start is not part of their end.
        await new Promise((resolve) => setTimeout(resolve, 50 + step / 50));
        const begin = now();
        const before = process.cpuUsage();
        for (const end of victims) await end();
        const { user, system } = process.cpuUsage(before);
        return { wall: ((now() - begin) * 1000) / VICTIMS, cpu: (user + system) / VICTIMS };
      };
      for (let i = 0; i < WARM_BATCHES; i++) await batch();
      const batches = [];
      const longEnough = () => sum(batches.map(({ wall }) => (wall * VICTIMS) / 1000)) >= p.ms;
      while (batches.length < LEAST_BATCHES || (batches.length < MOST_BATCHES && !longEnough())) batches.push(await batch());
      numbers[`wall${step}`] = median(batches.map(({ wall }) => wall));
      numbers[`cpu${step}`] = median(batches.map(({ cpu }) => cpu));
      numbers[`whole${step}`] = await lasting(p.ms, () => adapter.exit(p.child, "ignore"));
    }
    return numbers;
  },

  receive: (adapter, p) =>
    throughput(p, async (mib) => {
      const bytes = await adapter.receive(p.child, mib, p.kind, p.buffer);
      if (bytes !== mib * 2 ** 20) throw new Error(`${bytes} bytes of ${mib} MiB`);
    }),

  send: (adapter, p) => throughput(p, (mib) => adapter.send(p.child, mib, p.kind)),

  async run(adapter, p) {
    const round = async () => {
      if ((await adapter.run(p.child)) !== "hello\n") throw new Error("wrong output");
    };
    return { us: await timed(p, round) };
  },

  async runSync(adapter, p) {
    const runSync = await adapter.runSync(p.child, p.api);
    const round = () => {
      if (runSync() !== "hello\n") throw new Error("wrong output");
    };
    return { us: await timed(p, round) };
  },

  async capture(adapter, p) {
    await adapter.capture(p.child, 16, p.as);
    const begin = now();
    const count = await adapter.capture(p.child, p.mib, p.as);
    const ms = now() - begin;
    if (count !== p.mib * 2 ** 20) throw new Error(`${count} of ${p.mib} MiB`);
    return { ms };
  },

  async echo(adapter, p) {
    return { us: await timed(p, adapter.echo(p.child)) };
  },

  /** What a live child adds to our resident memory. */
  async memory(adapter, p) {
    const held = [];
    const keep = async (count) => {
      for (let i = 0; i < count; i++) held.push(adapter.idle(p.child, p.stdio));
      await collectGarbage();
      return await residentKiB();
    };
    const before = await keep(200);
    return { kib: ((await keep(p.alive)) - before) / p.alive };
  },

  /** The memory of the process that keeps a child. */
  async keeper(adapter, p) {
    if (adapter.keeper === undefined) throw new Absence("there is none for each");
    const { readFileSync } = await import("node:fs");
    const sizes = readFileSync(`/proc/${await adapter.keeper(p.child)}/smaps_rollup`, "utf8");
    const kib = (name) => Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(sizes)[1]);
    return { resident: kib("Rss"), own: kib("Private_Clean") + kib("Private_Dirty") };
  },

  /** Many hosts, each with a child: what each of those costs. */
  async hosts(adapter, p) {
    const { readdirSync } = await import("node:fs");
    const fds = () => readdirSync("/proc/self/fd").length;
    const before = fds();
    const hosts = await adapter.hosts(p.hosts);
    const each = (fds() - before) / p.hosts;
    const all = () => Promise.all(hosts.map((host) => host.exit(p.child, "ignore")));
    const us = (await timed(p, all)) / p.hosts;
    const exits = async () => {
      const victims = await Promise.all(hosts.map((host) => host.victim(p.child)));
      // What they still do to start is not part of their end.
      await new Promise((resolve) => setTimeout(resolve, 50));
      const begin = now();
      for (const end of victims) await end();
      return ((now() - begin) * 1000) / p.hosts;
    };
    await exits();
    return { us, exit: await exits(), fds: each };
  },
};

/**
 * How long the event loop stands still for a spawn: by the clock, and without the time in which it was ready to go on and
 * others had the CPU (the second number of /proc/PID/schedstat, in nanoseconds).
 */
class Stopwatch {
  static async make() {
    const { openSync, readSync } = await import("node:fs");
    const fd = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
    const text = Buffer.alloc(80);
    return new Stopwatch(() => Number(text.toString("latin1", 0, readSync(fd, text, 0, 80, 0)).split(" ")[1]) / 1e6);
  }

  constructor(waitedMs) {
    this.waitedMs = waitedMs;
    this.reset();
  }

  reset() {
    this.ms = [];
    this.ownMs = [];
  }

  get us() {
    return median(this.ms) * 1000;
  }

  get ownUs() {
    return median(this.ownMs) * 1000;
  }

  async spawn(adapter, file, stdio) {
    if (adapter.begin === undefined) {
      const waited = this.waitedMs();
      const begin = now();
      const closed = adapter.exit(file, stdio);
      this.add(now() - begin, waited);
      return closed;
    }
    // From the call until the child is there, without the time in which the event loop waited: for events, and then for the CPU.
    const before = performance.eventLoopUtilization();
    const { closed } = await adapter.begin(file, stdio);
    this.ms.push(performance.eventLoopUtilization(before).active);
    return closed;
  }

  add(ms, waited) {
    this.ms.push(ms);
    this.ownMs.push(Math.max(0, ms - (this.waitedMs() - waited)));
  }
}

/** Gives what waits until a stream has given a text next. */
function listener(stream) {
  let text = "";
  let heard = () => {};
  stream.on("data", (chunk) => {
    text += chunk;
    heard();
  });
  return async (wanted) => {
    while (text.length < wanted.length) await new Promise((resolve) => (heard = resolve));
    if (!text.startsWith(wanted)) throw new Error(`${JSON.stringify(text)}, not ${JSON.stringify(wanted)}`);
    text = text.slice(wanted.length);
  };
}

/** What the process holds while it does its task: memory that is touched, and idle children. */
async function burden(adapter, { child, resident = 0, others = 0 }) {
  const held = [];
  for (let i = 0; i < resident; i++) held.push(new Uint8Array(2 ** 20).fill(1));
  for (let i = 0; i < others; i++) held.push(await adapter.idle(child, "ignore"));
  return held;
}

/**
 * Milliseconds that an import adds to the start of an application, which is one file, and to that of a Node that is given
 * no file: medians of many starts of each, in turn. Nothing of our environment that Node heeds at its start is passed on.
 */
async function startingWith(module, { times, child }) {
  const { spawnSync } = await import("node:child_process");
  const { writeFileSync } = await import("node:fs");
  const { dirname, join } = await import("node:path");
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("NODE_")));
  const code = `import ${JSON.stringify(module)};\n`;
  const file = (name, text) => {
    const path = join(dirname(child), name);
    writeFileSync(path, text);
    return [path];
  };
  const inline = (text) => ["--input-type=module", "-e", text];
  const start = (args) => {
    const begin = now();
    const { status } = spawnSync(process.execPath, args, { stdio: "ignore", env });
    if (status !== 0) throw new Error(`${process.execPath} ended with ${status} on ${args}`);
    return now() - begin;
  };
  const ways = {
    emptyFile: file("empty.mjs", ""),
    application: file("application.mjs", code),
    bare: inline(""),
    inlined: inline(code),
  };
  const taken = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  for (let i = 0; i < times; i++) for (const [way, args] of Object.entries(ways)) taken[way].push(start(args));
  const { emptyFile, application, bare, inlined } = taken;
  return { added: median(application) - median(emptyFile), bare: median(inlined) - median(bare) };
}

async function throughput(p, move) {
  for (let i = 0; i < WARM_MOVES; i++) await move(WARM_MIB);
  const rates = [];
  for (let i = 0; i < MOVES; i++) {
    const begin = now();
    await move(p.mib);
    rates.push((p.mib * 2 ** 20) / (now() - begin) / 1e6);
  }
  return { gbps: median(rates) };
}

/** A command's text by spawnSync of node:child_process. */
export async function bySpawnSync(file) {
  const { spawnSync } = await import("node:child_process");
  return () => spawnSync(file, ["say"], { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" }).stdout;
}

/** Whether that means puts a process of its own above each command. */
export const withKeeper = (contain) => contain === "keeper" || contain === "namespace";

export async function parentOf(pid) {
  const { readFileSync } = await import("node:fs");
  return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
}

/** For contestants whose "pipe" is a socketpair, and which have no other. */
export function onlySockets(kind) {
  if (kind !== "socket") throw new Absence("its pipes are socketpairs");
}

/** Writes so many bytes to a Node stream, no faster than it takes them, and ends it. */
export async function pour(stream, mib) {
  const block = Buffer.alloc(BLOCK, 1);
  for (let left = mib * 16; left > 0; left--) {
    if (!stream.write(block)) await new Promise((resolve) => stream.once("drain", resolve));
  }
  stream.end();
}

/** Counts the bytes of a readable. */
export async function count(stream) {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
}

/** A round trip of one byte over Node streams. */
export function roundTrip(writable, readable) {
  const byte = Buffer.from("x");
  let answered;
  readable.on("data", () => answered());
  return () =>
    new Promise((resolve) => {
      answered = resolve;
      writable.write(byte);
    });
}

function readParameters(words) {
  const pairs = words.map((word) => /^(\w+)=(.*)$/s.exec(word).slice(1));
  return Object.fromEntries(pairs.map(([key, value]) => [key, /^\d+$/.test(value) ? Number(value) : value]));
}

/**
 * Does the task of the command line, prints its numbers, and ends.
 *
 * @param {{ module?: string, use: (library: any, parameters: any) => Adapter | Promise<Adapter> }} contestant What it imports;
 * what is made of it.
 */
export async function contestant({ module, use }) {
  const [task, ...words] = process.argv.slice(2);
  const parameters = readParameters(words);
  let result;
  try {
    const load = () => (module === undefined ? undefined : import(module));
    if (task === "import" || task === "starting") {
      if (module === undefined) throw new Absence("it is built in");
    }
    if (task === "starting") {
      result = await startingWith(module, parameters);
    } else if (task === "import") {
      const begin = now();
      const library = await load();
      const imported = now();
      await use(library, parameters).exit(parameters.child, "ignore");
      result = { import: imported - begin, first: now() - begin };
    } else {
      const adapter = await use(await load(), parameters);
      const held = await burden(adapter, parameters);
      result = await TASKS[task](adapter, parameters);
      // Held to here.
      held.length = 0;
    }
  } catch (error) {
    if (!(error instanceof Absence)) throw error;
    result = { absent: error.message };
  }
  const { writeSync } = await import("node:fs");
  writeSync(1, `${JSON.stringify(result)}\n`);
  // Not by the end of the event loop, which live children hold.
  process.exit(0);
}
