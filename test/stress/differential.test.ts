/**
 * All ways to start a child agree: random commands, each started in every way on some rung of the clone ladder, and what
 * came of it compared. BROOD_CASES: how many cases (default 40); BROOD_SEED: the first (default 1).
 */

import assert from "node:assert/strict";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { spawnAsync } from "brood/host";
import { addon, RUNGS } from "#dist/native/addon.js";
import "../helpers/contained.js";
import { TemporaryFiles } from "../helpers/files.js";
import { takeStock } from "../helpers/leaks.js";
import { warm } from "../helpers/test.js";
import { type Case, dataCase, type Ground, reportCase, resetFiles } from "./differential/cases.js";
import { difference } from "./differential/difference.js";
import { inParts } from "./differential/parts.js";
import { Random } from "./differential/random.js";
import { type Came, ofError, WAYS } from "./differential/ways.js";

async function came(way: (typeof WAYS)[number], one: Case): Promise<Came> {
  try {
    return await way.start(one);
  } catch (error) {
    return ofError(error);
  }
}

function makeGround(files: TemporaryFiles): Ground {
  writeFileSync(files.path("script-without-interpreter"), "#!/no/such/interpreter\n", { mode: 0o755 });
  mkdirSync(files.path("files"));
  const directory = openSync(files.directory, "r");
  return { directory: files.directory, openFds: [directory, ...files.open(4)] };
}

// The host behind spawnAsync lasts.
await warm;
await (await spawnAsync("true")).closed;

inParts("all ways to start a child agree", async (seeds) => {
  using files = new TemporaryFiles();
  const ground = makeGround(files);
  const rungs = new Random(seeds[0] as number);
  const differences: string[] = [];
  let started = 0;
  try {
    for (const seed of seeds) {
      const random = new Random(seed);
      const one = random.chance(0.65) ? reportCase(random, ground) : dataCase(random, ground);
      let first: Came | undefined;
      const means = random.pick(["group", "cgroup", "keeper", "namespace"]);
      for (const way of WAYS) {
        if (!way.takes(one) || (way.name.startsWith("contain") && way.name !== `contain ${means}`)) continue;
        resetFiles(ground);
        const rung = rungs.integer(0, RUNGS.length - 1);
        addon().configure(rung, 0);
        const compare = takeStock();
        const told = await came(way, one);
        if (first === undefined && !("error" in told)) started++;
        first ??= told;
        const found = difference(told, first, way.without);
        await compare().catch((error: Error) => found.push(error.message));
        if (found.length > 0) differences.push(`seed ${seed}, ${way.name} on ${RUNGS[rung]}: ${found.join("; ")}`);
      }
    }
  } finally {
    addon().configure(0, 0);
    closeSync(ground.openFds[0] as number);
  }
  assert.deepEqual(differences, []);
  assert.ok(started > seeds.length / 8, `only ${started} of ${seeds.length} could be started`);
});
