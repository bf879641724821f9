"""What isolation costs: time and processor time of a trivial call in a fresh sandbox.

    python benchmarks/sandbox_overhead.py [--provider docker] [--cold] [--preload numpy]
        [--count 300] [--lanes 1] [--pause 0.25]

The visible overhead is the median time to the value, less that of the same call in a plain
process that is warm already, both measured here. Its limit is 10 ms with bubblewrap. With
Docker it is 60 ms while refills keep up, which they do with ``--pause``; without one, the
rate is what refills allow, and its limit is 6 candidates a second with two lanes. With
``--preload torch`` the candidate uses torch, and has 150 ms until its value.

Processor time is that of all processes (owner, warm parent, keepers, candidates), read from
a control group of the benchmark's own; where none can be made, only the owner's is shown.
That of the Docker daemon and its containers is in no such group, so it is not shown.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metasearch.sandboxes import wire
from metasearch.sandboxes.base import Limits, SandboxProvider, SandboxSpec
from metasearch.sandboxes.bubblewrap import BubblewrapProvider
from metasearch.sandboxes.docker import DockerProvider

PROGRAM = {"program.py": b"def pack(n):\n    return [float(i) for i in range(n)]\n"}
TORCH = {
    "program.py": b"import torch\n"
    b"def pack(n):\n    return [float(torch.full((), i) * 1.0) for i in range(n)]\n"
}
MOST_OVERHEAD = {"bubblewrap": 0.010, "docker": 0.060}
MOST_WITH_TORCH = 0.150
LEAST_RATE = 6.0

_PLAIN = """
import os, sys
from metasearch.sandboxes import wire
reader = wire.FrameReader()
while data := os.read(0, 1 << 18):
    for source in reader.feed(data):
        names = {}
        exec(source.decode(), names)
        os.write(1, wire.encode(names["pack"](26)))
"""


@contextmanager
def own_group() -> Iterator[Path | None]:
    """The file that counts this benchmark's processor time, if one can be had."""
    group = Path("/sys/fs/cgroup/cpuacct") / f"benchmark-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:
        yield None
        return
    try:
        yield group / "cpuacct.usage"
    finally:
        (group.parent / "cgroup.procs").write_text(str(os.getpid()))
        with contextlib.suppress(OSError):
            group.rmdir()


def processor_seconds(counter: Path | None) -> float:
    """Of all processes, or of this one."""
    return int(counter.read_text()) / 1e9 if counter else time.process_time()


def plain_seconds(count: int) -> float:
    """Median time of the same call, loading included, in a warm process without any isolation."""
    times = []
    with subprocess.Popen(
        [sys.executable, "-c", _PLAIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(count):
            began = time.perf_counter()
            process.stdin.write(wire.encode(PROGRAM["program.py"]))
            reader = wire.FrameReader()
            while not (values := reader.feed(process.stdout.read(1 << 18))):
                pass
            times.append(time.perf_counter() - began)
            assert len(values[0]) == 26
        process.stdin.close()
    return statistics.median(times)


def open_provider(options: argparse.Namespace) -> SandboxProvider:
    """The provider to measure."""
    if options.provider == "docker":
        return DockerProvider(image=options.image)
    return BubblewrapProvider(cold=options.cold, groups=not options.no_groups)


async def measure(options: argparse.Namespace, counter: Path | None) -> bool:
    """Run the calls and print the figures; whether they are within the limits."""
    provider = open_provider(options)
    spec = SandboxSpec(Limits(seconds=30), preload=tuple(options.preload))
    program = TORCH if "torch" in options.preload else PROGRAM
    until_value: list[float] = []
    until_gone: list[float] = []

    async def one() -> None:
        began = time.perf_counter()
        async with provider.open(spec) as sandbox:
            await sandbox.write(program)
            value = await sandbox.call("program:pack", 26)
            until_value.append(time.perf_counter() - began)
        until_gone.append(time.perf_counter() - began)
        if len(value) != 26:
            raise RuntimeError(f"a sandbox returned {value!r}")

    async def lane(count: int) -> None:
        for _ in range(count):
            await one()
            await asyncio.sleep(options.pause)

    await asyncio.gather(*(lane(5) for _ in range(options.lanes)))
    until_value.clear()
    until_gone.clear()
    plain = plain_seconds(200)
    cpu, wall = processor_seconds(counter), time.perf_counter()
    await asyncio.gather(*(lane(options.count // options.lanes) for _ in range(options.lanes)))
    wall, cpu = time.perf_counter() - wall, processor_seconds(counter) - cpu
    await provider.close()
    done = len(until_gone)
    print(
        f"{done} sandboxes by {options.provider}, {options.lanes} at once, "
        f"preload {options.preload or 'nothing'}"
    )
    for name, times in (("value", until_value), ("gone", until_gone)):
        worst = sorted(times)[int(0.95 * len(times))]
        print(
            f"  until {name}: median {statistics.median(times) * 1e3:.1f} ms, "
            f"95% {worst * 1e3:.1f} ms"
        )
    overhead, most = statistics.median(until_value) - plain, MOST_OVERHEAD[options.provider]
    if program is TORCH:
        overhead, most = statistics.median(until_value), MOST_WITH_TORCH
    if program is PROGRAM:
        print(f"  overhead above a plain call of {plain * 1e3:.2f} ms: {overhead * 1e3:.1f} ms")
    whose = "all processes" if counter else "the owner alone"
    print(f"  processor time of {whose}: {cpu / done * 1e3:.1f} ms a sandbox")
    print(f"  {done / wall:.1f} sandboxes/s")
    if options.provider == "docker" and not options.pause:
        print(f"  limit: at least {LEAST_RATE:g} sandboxes/s")
        return done / wall >= LEAST_RATE
    print(f"  limit: {most * 1e3:g} ms")
    return overhead <= most


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", choices=sorted(MOST_OVERHEAD), default="bubblewrap")
    parser.add_argument("--image", default="", help="for docker")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--no-groups", action="store_true")
    parser.add_argument("--preload", action="append", default=[])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--lanes", type=int, default=1)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between candidates")
    options = parser.parse_args()
    with own_group() as counter:
        within = asyncio.run(measure(options, counter))
    sys.exit(0 if within else 1)


if __name__ == "__main__":
    main()
