/**
 * The tasks, for all contestants in JavaScript: each measures itself, after a warm-up, and prints one line
 * of JSON. A contestant brings an adapter, which does one thing at a time in its library's own way.
 *
 *   PROGRAM TASK KEY=VALUE...
 */

/**
 * What a contestant can do. Where it can't, it throws an Absence.
 *
 * @typedef {object} Adapter
 * @property {(file: string, stdio: "ignore" | "pipe") => Promise<unknown>} exit Starts a child that ends by itself; settles
 * when it has ended and its pipes were read to their end. What it does before it returns is the spawn.
 * @property {(file: string, stdio: "ignore" | "pipe") => unknown} idle Starts a child that stays.
 * @property {(file: string) => () => Promise<unknown>} victim Starts a child that stays; gives what kills it and waits for its end.
 * @property {(file: string, mib: number, kind: string) => Promise<number>} receive Counts what a child writes.
 * @property {(file: string, mib: number, kind: string) => Promise<unknown>} send Writes to a child that reads it all.
 * @property {(file: string) => Promise<string>} run Runs a command for its text.
 * @property {(file: string, api: "own" | "node") => (() => string) | Promise<() => string>} runSync Gives what runs a command for
 * its text, blocking: by the library's own function, or by spawnSync of node:child_process.
 * @property {(file: string, mib: number) => Promise<number>} capture Runs a command for its bytes, gives how many there are.
 * @property {(file: string) => () => Promise<unknown>} echo Starts a child that echoes; gives the round trip.
 */

/** A contestant doesn't have what a row is about. */
export class Absence extends Error {}

const BLOCK = 65536;
/** How many children are ended in a row, and how often before it counts. */
const VICTIMS = 50;
const WARM_BATCHES = 2;

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

  /** How long the event loop stands still for a spawn, with more and more memory or fds. */
  async blocked(adapter, p) {
    const { openSync } = await import("node:fs");
    const held = [];
    let inSpawn = 0;
    const round = () => {
      const begin = now();
      const done = adapter.exit(p.child, p.stdio ?? "ignore");
      inSpawn += now() - begin;
      return done;
    };
    const numbers = {};
    await repeat(p.warm, round);
    for (const step of stepsOf(p)) {
      if (p.what === "fds") for (; held.length < step; ) held.push(openSync("/dev/null", "r"));
      else for (; held.length < step; ) held.push(new Uint8Array(2 ** 20).fill(1));
      inSpawn = 0;
      const { count } = await repeat(p.ms, round);
      numbers[`us${step}`] = (inSpawn * 1000) / count;
    }
    return numbers;
  },

  /** Ends of children among others that live: from the kill until the end is known. And a spawn with exit among them. */
  async alive(adapter, p) {
    const held = [];
    const numbers = {};
    await repeat(p.warm, () => adapter.exit(p.child, "ignore"));
    for (const step of stepsOf(p)) {
      for (; held.length < step; ) held.push(adapter.idle(p.child, "ignore"));
      let wall = 0;
      let cpu = 0;
      const batch = async () => {
        const victims = Array.from({ length: VICTIMS }, () => adapter.victim(p.child));
        // What they still do to start is not part of their end.
        await new Promise((resolve) => setTimeout(resolve, 50 + step / 50));
        const begin = now();
        const before = process.cpuUsage();
        for (const end of victims) await end();
        const used = process.cpuUsage(before);
        wall += now() - begin;
        cpu += used.user + used.system;
      };
      for (let i = 0; i < WARM_BATCHES; i++) await batch();
      wall = cpu = 0;
      await batch();
      numbers[`wall${step}`] = (wall * 1000) / VICTIMS;
      numbers[`cpu${step}`] = cpu / VICTIMS;
      numbers[`whole${step}`] = await lasting(p.ms, () => adapter.exit(p.child, "ignore"));
    }
    return numbers;
  },

  receive: (adapter, p) =>
    throughput(p, async (mib) => {
      const bytes = await adapter.receive(p.child, mib, p.kind);
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
    await adapter.capture(p.child, 16);
    const begin = now();
    const bytes = await adapter.capture(p.child, p.mib);
    const ms = now() - begin;
    if (bytes !== p.mib * 2 ** 20) throw new Error(`${bytes} bytes of ${p.mib} MiB`);
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
};

async function throughput(p, move) {
  await move(16);
  const begin = now();
  await move(p.mib);
  return { gbps: (p.mib * 2 ** 20) / (now() - begin) / 1e6 };
}

/** A command's text by spawnSync of node:child_process. */
export async function bySpawnSync(file) {
  const { spawnSync } = await import("node:child_process");
  return () => spawnSync(file, ["say"], { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" }).stdout;
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
 * @param {{ load?: () => Promise<any>, use: (library: any) => Adapter }} contestant How it is imported; what is made of it.
 */
export async function contestant({ load, use }) {
  const [task, ...words] = process.argv.slice(2);
  const parameters = readParameters(words);
  let result;
  try {
    if (task === "import") {
      if (load === undefined) throw new Absence("it is built in");
      const begin = now();
      const library = await load();
      const imported = now();
      await use(library).exit(parameters.child, "ignore");
      result = { import: imported - begin, first: now() - begin };
    } else {
      result = await TASKS[task](use(await load?.()), parameters);
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
