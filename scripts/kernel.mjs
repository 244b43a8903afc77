/**
 * Runs tests on another kernel, in a machine that qemu emulates: `node scripts/kernel.mjs DIR [PATTERN]`, where DIR is an
 * unpacked kernel package (boot/vmlinuz-*, lib/modules/*, 9p and overlay among its modules). The machine sees this one's files,
 * and writes to memory alone. It has cgroup v2 with the controllers memory, pids and cpu; `--hybrid` mounts it where
 * systemd's hybrid hierarchy has it. `--run FILE` runs a shell script instead of tests. For another architecture:
 * `--arch arm64 --root DIR`, where DIR holds a system of it with Node, accounts, mount(8) and python3, and this tree, built for
 * it, at the same path (`make -C native ARCH=arm64 CC=aarch64-linux-gnu-gcc all faults`, and test/children the same).
 *
 * Needs qemu's system emulator, a static busybox (in the root, at --busybox), and cpio. Emulated, everything takes some ten
 * times as long.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    arch: { type: "string", default: process.arch },
    root: { type: "string", default: "/" },
    hybrid: { type: "boolean", default: false },
    run: { type: "string" },
    memory: { type: "string", default: "4096" },
    busybox: { type: "string", default: "/bin/busybox" },
    minutes: { type: "string", default: "60" },
  },
});
const [kernel, pattern = ""] = positionals;
if (kernel === undefined) throw new Error("which kernel? node scripts/kernel.mjs DIR [PATTERN]");
const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const ARCHES = {
  x64: { emulator: "qemu-system-x86_64", machine: ["-cpu", "max"], console: "ttyS0" },
  arm64: { emulator: "qemu-system-aarch64", machine: ["-machine", "virt", "-cpu", "cortex-a76"], console: "ttyAMA0" },
};
const arch = ARCHES[values.arch];
const scratch = mkdtempSync(join(tmpdir(), "kernel-"));

// In an order in which each finds what it needs; a kernel has some of them built in.
const VIRTIO = ["virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"];
const MODULES = [...VIRTIO, "netfs", "fscache", "9pnet", "9pnet_virtio", "9p", "overlay"];
const UNPACK = { ko: ["cat"], xz: ["xz", "-dc"], zst: ["zstd", "-qdc"], gz: ["gzip", "-dc"] };

// The first program: this machine's files below, memory above. A root that was moved, not a chroot: user namespaces need it.
const INIT = `#!/bin/busybox sh
set -e
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for m in ${MODULES.join(" ")}; do if [ -e /modules/$m.ko ]; then $b insmod /modules/$m.ko; fi; done
$b mount -t tmpfs -o size=90% memory /new
$b mkdir -p /new/below /new/above /new/work /new/root
$b mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=262144,ro root /new/below
$b mount -t overlay -o lowerdir=/new/below,upperdir=/new/above,workdir=/new/work overlay /new/root
cd /new/root
$b mount -t proc proc proc
$b mount -t sysfs sys sys
$b mount -t devtmpfs dev dev
$b mkdir -p dev/pts dev/shm mnt
$b mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts dev/pts
$b ln -sf /proc/self/fd dev/fd
for d in dev/shm run; do $b mount -t tmpfs tmpfs $d; done
$b mount -t tmpfs tmpfs mnt
$b mkdir mnt/out
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 out mnt/out
group=sys/fs/cgroup
if [ "$hierarchy" = hybrid ]; then $b mount -t tmpfs tmpfs $group; group=$group/unified; $b mkdir $group; fi
$b mount -t cgroup2 cgroup $group
echo "+cpu +memory +pids" > $group/cgroup.subtree_control
$b mkdir $group/session
$b hostname emulated
$b ip link set lo up
export group PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
exec $b switch_root /new/root ${values.busybox} sh -c 'setsid /bin/sh /mnt/out/run.sh </dev/null; ${values.busybox} poweroff -f'
`;

const RUN = `echo $$ > /$group/session/cgroup.procs
cd ${root}
export NO_COLOR=1 TEST_SLOWNESS=10
${values.run === undefined ? `node scripts/test.mjs ${pattern === "" ? "/" : pattern}` : readFileSync(values.run, "utf8")}
echo $? > /mnt/out/status
`;

/** Packs the first file system: busybox, the modules and the first program. Gives its path. */
function initrd() {
  const modules = ["lib/modules", "usr/lib/modules"].map((path) => join(kernel, path)).find((path) => existsSync(path));
  const files = readdirSync(modules, { recursive: true });
  const tree = join(scratch, "initrd");
  for (const directory of ["bin", "modules", "proc", "dev", "new"]) mkdirSync(join(tree, directory), { recursive: true });
  copyFileSync(join(values.root, values.busybox), join(tree, "bin/busybox"));
  for (const name of MODULES) {
    const file = files.find((path) => path.includes(`/${name}.ko`));
    if (file === undefined) continue;
    const [command, ...args] = UNPACK[file.split(".").at(-1)];
    const { stdout } = spawnSync(command, [...args, join(modules, file)], { maxBuffer: 1 << 26 });
    writeFileSync(join(tree, "modules", `${name}.ko`), stdout);
  }
  writeFileSync(join(tree, "init"), INIT);
  chmodSync(join(tree, "init"), 0o755);
  const packed = join(scratch, "initrd.gz");
  const { status } = spawnSync("sh", ["-c", `find . | cpio -o -H newc --quiet | gzip -1 >${packed}`], {
    cwd: tree,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("cpio failed");
  return packed;
}

function share(path, tag, more = "") {
  return ["-virtfs", `local,path=${path},mount_tag=${tag},security_model=none,multidevs=remap${more}`];
}

try {
  const image = readdirSync(join(kernel, "boot")).find((name) => name.startsWith("vmlinuz"));
  const out = join(scratch, "out");
  mkdirSync(out);
  writeFileSync(join(out, "run.sh"), RUN);
  const told = `console=${arch.console} quiet panic=-1 mitigations=off hierarchy=${values.hybrid ? "hybrid" : "unified"}`;
  const machine = ["-accel", "tcg,thread=multi", ...arch.machine, "-m", values.memory, "-smp", "2", "-no-reboot"];
  const consoles = ["-display", "none", "-serial", "stdio", "-monitor", "none"];
  const boots = ["-kernel", resolve(kernel, "boot", image), "-initrd", initrd(), "-append", told];
  const args = [...machine, ...consoles, ...boots, ...share(resolve(values.root), "root", ",readonly=on"), ...share(out, "out")];
  const child = spawn(arch.emulator, args, { stdio: ["ignore", "inherit", "inherit"] });
  const guard = setTimeout(() => child.kill("SIGKILL"), Number(values.minutes) * 60_000);
  await once(child, "exit");
  clearTimeout(guard);
  const status = join(out, "status");
  process.exitCode = existsSync(status) ? Number(readFileSync(status, "utf8")) : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
