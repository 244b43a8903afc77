/**
 * The child half, as compiled: it may run in its parent's memory, so nothing in it may reach libc, thread-local
 * storage, or anything else outside of itself. Read with binutils.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { arch } from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const path = (name: string): string =>
  fileURLToPath(new URL(`./build/native/${name}`, import.meta.resolve("brood/package.json")));
const read = (tool: string, ...args: string[]): string => execFileSync(tool, args, { encoding: "utf8" });

for (const variant of ["release", "faults", "sanitized"]) {
  const object = path(`${variant}/child.o`);

  test(`${variant}: no symbol of anyone else is needed`, () => {
    assert.equal(read("nm", "--undefined-only", object), "");
    const defined = read("nm", "--extern-only", "--defined-only", object).trim();
    assert.match(defined, /^[0-9a-f]+ T child_main$/);
  });

  test(`${variant}: nothing is called or relocated but its own code and constants`, () => {
    const relocations = read("objdump", "-r", object);
    const found = [...relocations.matchAll(/^[0-9a-f]{16} (R_\w+)\s+(\S+)/gm)];
    assert.ok(found.length > 0, "objdump -r is understood");
    for (const [line, type, target] of found) {
      assert.doesNotMatch(type as string, /TLS|TPOFF|GOT|PLT/, line);
      assert.match(target as string, /^(\.text|\.rodata|\.LC|\.debug|program_|child_main|raw_)/, line);
    }
  });

  test(`${variant}: no thread-local storage, no writable data, no constructor`, () => {
    const code = read("objdump", "-d", "--no-show-raw-insn", object);
    assert.match(code, arch === "x64" ? /\bsyscall\b/ : /\bsvc\b/);
    assert.doesNotMatch(code, arch === "x64" ? /%[fg]s:/ : /tpidr/);
    const sections = [...read("objdump", "-h", object).matchAll(/^\s*\d+ (\S+)\s+([0-9a-f]{8})/gm)];
    assert.ok(sections.some(([, name]) => name === ".text"));
    for (const [, name, size] of sections) {
      if (Number.parseInt(size as string, 16) === 0) continue;
      assert.doesNotMatch(name as string, /^\.(t?data|t?bss|init_array|ctors)/);
    }
  });
}

test("these checks see what they look for: another object has it all", () => {
  const object = path("release/launch.o");
  assert.match(read("nm", "--undefined-only", object), / U pthread_setcancelstate/);
  assert.match(read("nm", "--undefined-only", object), / U __errno_location/);
});
