"""What isolation costs: time and processor time of a trivial call in a fresh sandbox.

    python benchmarks/sandbox_overhead.py [--cold] [--preload numpy] [--count 300] [--lanes 1]

Processor time is that of all processes (owner, warm parent, keepers, candidates), read from
a control group of the benchmark's own; where none can be made, only the owner's is shown.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metasearch.sandboxes.base import Limits, SandboxSpec
from metasearch.sandboxes.bubblewrap import BubblewrapProvider

PROGRAM = {"program.py": b"def pack(n):\n    return [float(i) for i in range(n)]\n"}


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


async def measure(options: argparse.Namespace, counter: Path | None) -> None:
    """Run the calls and print the figures."""
    provider = BubblewrapProvider(cold=options.cold, groups=not options.no_groups)
    spec = SandboxSpec(Limits(seconds=30), preload=tuple(options.preload))
    until_value: list[float] = []
    until_gone: list[float] = []

    async def one() -> None:
        began = time.perf_counter()
        async with provider.open(spec) as sandbox:
            await sandbox.write(PROGRAM)
            value = await sandbox.call("program:pack", 26)
            until_value.append(time.perf_counter() - began)
        until_gone.append(time.perf_counter() - began)
        if len(value) != 26:
            raise RuntimeError(f"a sandbox returned {value!r}")

    async def lane(count: int) -> None:
        for _ in range(count):
            await one()

    await lane(20)
    until_value.clear()
    until_gone.clear()
    cpu, wall = processor_seconds(counter), time.perf_counter()
    await asyncio.gather(*(lane(options.count // options.lanes) for _ in range(options.lanes)))
    wall, cpu = time.perf_counter() - wall, processor_seconds(counter) - cpu
    done = len(until_gone)
    print(f"{done} sandboxes, {options.lanes} at once, preload {options.preload or 'nothing'}")
    for name, times in (("value", until_value), ("gone", until_gone)):
        worst = sorted(times)[int(0.95 * len(times))]
        print(
            f"  until {name}: median {statistics.median(times) * 1e3:.1f} ms, "
            f"95% {worst * 1e3:.1f} ms"
        )
    whose = "all processes" if counter else "the owner alone"
    print(f"  processor time of {whose}: {cpu / done * 1e3:.1f} ms a sandbox")
    print(f"  {done / wall:.1f} sandboxes/s")
    await provider.close()


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--no-groups", action="store_true")
    parser.add_argument("--preload", action="append", default=[])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--lanes", type=int, default=1)
    options = parser.parse_args()
    with own_group() as counter:
        asyncio.run(measure(options, counter))


if __name__ == "__main__":
    main()
