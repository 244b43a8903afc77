"""asyncio as a contestant. The tasks are those of javascript.mjs, which says what each is."""

import sys

# Its own folder comes first in the path of a script, and this file would be its own asyncio.
sys.path.pop(0)

import gc
import json
import os
import stat
import time
from statistics import median

BLOCK = 65536
MIB = 1 << 20
VICTIMS = 50
BATCHES = 5
SETTLE_MS = 300


class Absence(Exception):
    """asyncio doesn't have what a row is about."""


def now():
    """Microseconds on the monotonic clock."""
    return time.perf_counter_ns() / 1000


def waited():
    """Microseconds in which we were ready to go on, and others had the CPU."""
    with open("/proc/self/schedstat") as stat:
        return int(stat.read().split()[1]) / 1000


class Stepped:
    """A coroutine whose own steps are timed: while they run, the event loop stands still."""

    def __init__(self, coroutine):
        self.coroutine = coroutine
        self.us = 0.0
        self.own = 0.0

    def __await__(self):
        steps = self.coroutine.__await__()
        while True:
            before, begin = waited(), now()
            try:
                awaited = next(steps)
            except StopIteration as end:
                return end.value
            finally:
                us = now() - begin
                self.us += us
                self.own += max(0.0, us - (waited() - before))
            yield awaited


async def repeat(ms, round_):
    begin, count = now(), 0
    while True:
        await round_()
        count += 1
        if now() - begin >= ms * 1000:
            return (now() - begin) / count


async def timed(p, round_):
    await repeat(p["warm"], round_)
    return await repeat(p["ms"], round_)


def start(file, *args, stdio=(None, None, None)):
    ends = {"ignore": DEVNULL, "pipe": PIPE}
    return asyncio.create_subprocess_exec(file, *args, **dict(zip(("stdin", "stdout", "stderr"), map(ends.get, stdio))))


async def exit_(file, stdio):
    child = await start(file, stdio=(stdio,) * 3)
    if stdio == "pipe":
        await child.communicate()
    else:
        await child.wait()


async def task_exit(p):
    async def one():
        await exit_(p["child"], p["stdio"])

    async def hundred():
        await asyncio.gather(*(one() for _ in range(100)))

    await repeat(p["warm"], one)
    return {"one": await repeat(p["ms"], one), "hundred": await repeat(p["ms"], hundred) / 100}


def steps_of(p):
    return map(int, str(p["steps"]).split(","))


async def task_blocked(p):
    held, numbers = [], {}
    us, own = [], []

    async def round_():
        stdio = p.get("stdio", "ignore")
        spawn = Stepped(start(p["child"], stdio=(stdio,) * 3))
        child = await spawn
        us.append(spawn.us)
        own.append(spawn.own)
        await (child.wait() if stdio == "ignore" else child.communicate())

    await repeat(p["warm"], round_)
    for step in steps_of(p):
        while len(held) < step:
            held.append(os.open("/dev/null", os.O_RDONLY) if p["what"] == "fds" else bytearray(b"\1") * MIB)
        await asyncio.sleep(SETTLE_MS / 1000)
        await repeat(SETTLE_MS, round_)
        us.clear()
        own.clear()
        await repeat(p["ms"], round_)
        numbers[f"us{step}"] = median(us)
        numbers[f"own{step}"] = median(own)
    return numbers


async def task_alive(p):
    held, numbers = [], {}

    async def batch(step):
        victims = [await start(p["child"], "idle", stdio=("ignore",) * 3) for _ in range(VICTIMS)]
        await asyncio.sleep(0.05 + step / 50_000)
        begin, before = now(), time.process_time_ns()
        for victim in victims:
            victim.kill()
            await victim.wait()
        return now() - begin, (time.process_time_ns() - before) / 1000

    for step in steps_of(p):
        while len(held) < step:
            held.append(await start(p["child"], "idle", stdio=("ignore",) * 3))
        await batch(step)
        batches = [await batch(step) for _ in range(BATCHES)]
        numbers[f"wall{step}"] = median(wall for wall, _ in batches) / VICTIMS
        numbers[f"cpu{step}"] = median(cpu for _, cpu in batches) / VICTIMS
        numbers[f"whole{step}"] = await repeat(p["ms"], lambda: exit_(p["child"], "ignore"))
    return numbers


def check_kind(pipe, wanted):
    is_socket = stat.S_ISSOCK(os.fstat(pipe.fileno()).st_mode)
    if is_socket != (wanted == "socket"):
        raise Absence("it is a socketpair" if is_socket else "it is a pipe of 64 KiB")


WARM_MIB = 512
MOVES = 5


async def throughput(p, move):
    if p["kind"] in ("pipe1m", "grows"):
        raise Absence("it doesn't set a pipe's size")
    await move(WARM_MIB)
    rates = []
    for _ in range(MOVES):
        begin = now()
        await move(p["mib"])
        rates.append(p["mib"] * MIB / (now() - begin) / 1e3)
    return {"gbps": median(rates)}


async def task_receive(p):
    async def move(mib):
        child = await start(p["child"], "give", str(mib), stdio=("ignore", "pipe", "ignore"))
        check_kind(child._transport.get_pipe_transport(1).get_extra_info("pipe"), p["kind"])
        total = 0
        while chunk := await child.stdout.read(BLOCK):
            total += len(chunk)
        await child.wait()
        assert total == mib * MIB

    return await throughput(p, move)


async def task_send(p):
    block = b"\1" * BLOCK

    async def move(mib):
        child = await start(p["child"], "take", stdio=("pipe", "ignore", "ignore"))
        check_kind(child.stdin.get_extra_info("pipe"), p["kind"])
        for _ in range(mib * 16):
            child.stdin.write(block)
            await child.stdin.drain()
        child.stdin.close()
        await child.wait()

    return await throughput(p, move)


async def capture(file, *args):
    child = await start(file, *args, stdio=("ignore", "pipe", "pipe"))
    stdout, _ = await child.communicate()
    return stdout


async def task_run(p):
    async def round_():
        assert (await capture(p["child"], "say")).decode() == "hello\n"

    return {"us": await timed(p, round_)}


async def task_slow(p):
    holder = await asyncio.create_subprocess_exec(p["lease"], p["copy"], str(p["delay"]), stdin=PIPE, stdout=PIPE)
    us = []
    for _ in range(p["rounds"]):
        holder.stdin.write(b"t")
        assert await holder.stdout.readline() == b"held\n"
        spawn = Stepped(start(p["copy"], stdio=("ignore",) * 3))
        child = await spawn
        us.append(spawn.us)
        await child.wait()
        assert await holder.stdout.readline() == b"asked\n"
        assert await holder.stdout.readline() == b"given up\n"
    return {"us": median(us)}


async def task_capture(p):
    text = p["as"] == "text"

    async def output(mib):
        stdout = await capture(p["child"], "words" if text else "give", str(mib))
        return stdout.decode() if text else stdout

    await output(16)
    begin = now()
    stdout = await output(p["mib"])
    ms = (now() - begin) / 1000
    assert len(stdout) == p["mib"] * MIB
    return {"ms": ms}


async def task_echo(p):
    child = await start(p["child"], "echo", stdio=("pipe", "pipe", "ignore"))

    async def round_():
        child.stdin.write(b"x")
        await child.stdout.read(1)

    return {"us": await timed(p, round_)}


async def task_memory(p):
    held = []

    async def keep(count):
        for _ in range(count):
            held.append(await start(p["child"], "idle", stdio=(p["stdio"],) * 3))
        await asyncio.sleep(0.05)
        gc.collect()
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    before = await keep(200)
    return {"kib": (await keep(p["alive"]) - before) / p["alive"]}


def task_import(p, begin, imported):
    asyncio.run(exit_(p["child"], "ignore"))
    return {"import": (imported - begin) / 1000, "first": (now() - begin) / 1000}


def task_starting(p):
    """Milliseconds that the import adds to the start of an application, which is one file, and to that of a bare Python."""
    import subprocess

    code = "import asyncio\n"

    def file(name, text):
        path = os.path.join(os.path.dirname(p["child"]), name)
        with open(path, "w") as opened:
            opened.write(text)
        return [path]

    def start(args):
        begin = now()
        subprocess.run([sys.executable, *args], check=True)
        return (now() - begin) / 1000

    ways = {
        "empty": file("empty.py", ""),
        "application": file("application.py", code),
        "bare": ["-c", ""],
        "inline": ["-c", code],
    }
    taken = {way: [] for way in ways}
    for _ in range(p["times"]):
        for way, args in ways.items():
            taken[way].append(start(args))
    medians = {way: median(values) for way, values in taken.items()}
    return {"added": medians["application"] - medians["empty"], "bare": medians["inline"] - medians["bare"]}


_, task, *words = sys.argv
parameters = dict(word.split("=", 1) for word in words)
parameters = {key: int(value) if value.isdigit() else value for key, value in parameters.items()}
began = now()
import asyncio

import_ended = now()
from asyncio.subprocess import DEVNULL, PIPE

try:
    if task == "import":
        result = task_import(parameters, began, import_ended)
    elif task == "starting":
        result = task_starting(parameters)
    else:
        # Held to the end.
        held = [bytearray(b"\1") * MIB for _ in range(parameters.get("resident", 0))]
        # Not asyncio.run, which at its end would wait for threads that wait for live children.
        result = asyncio.new_event_loop().run_until_complete(globals()[f"task_{task}"](parameters))
except Absence as absence:
    result = {"absent": str(absence)}
os.write(1, (json.dumps(result) + "\n").encode())
os._exit(0)
