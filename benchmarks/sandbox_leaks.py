"""Many sandboxes in a row leave nothing behind, whatever their candidates do.

    python -m benchmarks.sandbox_leaks [--provider docker] [--image IMAGE] [--count 2000]

One candidate in eight fails: it crashes, hangs, floods, takes too much memory or leaves a
daemon process. Counted before and after, once warm: containers, processes,
mounts, control groups of ours, and descriptors, temporary files and memory of this
process. Memory may grow by at most 8 MiB; nothing else may grow. Mounts of others are
counted, too: use a quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.sandbox_overhead import open_provider
from metasearch.errors import CandidateFailure
from metasearch.sandboxes import cgroups
from metasearch.sandboxes.base import Limits, SandboxProvider, SandboxSpec
from metasearch.sandboxes.owners import OWNER_LABEL, Owner

SPEC = SandboxSpec(Limits(seconds=10, memory=96 * 1024**2, disk=8 * 1024**2, output=1024**2))
HURRIED = SandboxSpec(Limits(seconds=0.3, memory=96 * 1024**2, disk=8 * 1024**2, output=1024**2))
MOST_GROWTH = 8 * 1024**2

GOOD = "def main(): return list(range(26))"
BAD = (
    "def main(): raise ValueError",
    "import os\ndef main(): os._exit(3)",
    "def main():\n    while True: pass",
    "def main():\n    while True: print('x' * 1000)",
    "def main(): return bytes(500_000_000)",
    "import os, signal\ndef main():\n    if not os.fork():\n        os.setsid(); signal.pause()",
)


@dataclass(frozen=True)
class Traces:
    """What can be left behind."""

    containers: int
    processes: int
    mounts: int
    groups: int
    descriptors: int
    temporary: int
    memory: int

    @classmethod
    def now(cls, provider: str) -> Traces:
        """Count."""
        gc.collect()
        this = psutil.Process()
        ours = f"**/metasearch-*-{os.getpid()}-*"
        groups = sum(len(list(tree.top.glob(ours))) for tree in cgroups.trees())
        mounts = Path("/proc/self/mountinfo").read_text()
        return cls(
            containers=_containers() if provider == "docker" else 0,
            processes=len(this.children(recursive=True)),
            mounts=len(mounts.splitlines()),
            groups=groups,
            descriptors=this.num_fds(),
            temporary=len(list(Path(tempfile.gettempdir()).iterdir())),
            memory=this.memory_info().rss,
        )


def _containers() -> int:
    import docker

    with docker.APIClient(os.environ.get("DOCKER_HOST"), version="auto") as client:
        label = f"{OWNER_LABEL}={Owner.here()}"
        return len(client.containers(all=True, filters={"label": label}))


async def one(provider: SandboxProvider, number: int) -> None:
    """A candidate, good or bad."""
    source = BAD[number // 8 % len(BAD)] if number % 8 == 7 else GOOD
    async with provider.open(HURRIED if "while True: pass" in source else SPEC) as sandbox:
        await sandbox.write({"program.py": source.encode()})
        try:
            value = await sandbox.call("program:main")
        except CandidateFailure:
            assert source is not GOOD
        else:
            assert source is not GOOD or value == list(range(26))


async def settled(provider: str) -> Traces:
    """Once what is on its way has arrived: two equal looks."""
    before = Traces.now(provider)
    for _ in range(50):
        await asyncio.sleep(0.3)
        now = Traces.now(provider)
        if (now.containers, now.processes, now.descriptors) == (
            before.containers,
            before.processes,
            before.descriptors,
        ):
            return now
        before = now
    return before


async def measure(options: argparse.Namespace) -> bool:
    """Run them and compare; whether nothing has grown."""
    provider = open_provider(options)
    for number in range(64):
        await one(provider, number)
    before = await settled(options.provider)
    for number in range(options.count):
        await one(provider, number)
        if number % 200 == 199:
            print(f"  {number + 1}: {psutil.Process().memory_info().rss >> 10} KiB", flush=True)
    after = await settled(options.provider)
    await provider.close()
    closed = await settled(options.provider)
    print(f"{options.count} candidates by {options.provider}:")
    fine = closed.containers == 0
    for name, value in asdict(before).items():
        grown = getattr(after, name) - value
        allowed = MOST_GROWTH if name == "memory" else 0
        fine = fine and grown <= allowed
        print(
            f"  {name:12} {value:>12} -> {getattr(after, name):>12}  closed {getattr(closed, name)}"
        )
    return fine


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", choices=("bubblewrap", "docker"), default="bubblewrap")
    parser.add_argument("--image", default="", help="for docker")
    parser.add_argument("--count", type=int, default=2000)
    parser.set_defaults(cold=False, no_groups=False)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # A folder of our own, so that only our own temporary files are counted.
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        fine = asyncio.run(measure(options))
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
