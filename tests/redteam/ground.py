"""Where attacks are tried: a campaign on a real provider, and what could be reached from it.

Everything trusted is the real thing: the campaign file, the worker process with its
evaluator, the provider it opens, the archive. Only the model is missing: the programs come
from the catalogue.
"""

from __future__ import annotations

import asyncio
import getpass
import itertools
import json
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign_file import load_campaign
from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec
from metasearch.program import Program
from metasearch.sandboxes import cgroups
from tests.redteam.attack import HARMLESS, Record

HERE = Path(__file__).parent
HONEST = """# judged by: answers
# honest, number {number}
from kit import honest
def solve(questions, bait):
    return honest(questions)
"""
CAMPAIGN = """
task = "Answer all questions."
[objectives]
score = "maximize"
[evaluator]
file = "judge.py"
harness = ["kit.py"]
[sandbox]
timeout = 1.0
memory = "128 MB"
pids = 24
disk = "16 MB"
output = "1 MB"
"""
ARCHIVE = "archive.db"
PATIENCE = 10.0
"""Seconds until what was given back must be gone."""


@dataclass(frozen=True)
class Traces:
    """What this machine holds because of us."""

    processes: int
    """That descend from this one."""
    descriptors: int
    """Of this process and of the worker."""
    mounts: int
    control_groups: int
    files: frozenset[str]
    """Temporary ones of the worker, and any that an attack has named."""

    def beyond(self, before: Traces, spare: int) -> bool:
        """Whether there is more of anything than before, but for a few descriptors."""
        return (
            self.processes > before.processes
            or self.descriptors > before.descriptors + spare
            or self.mounts > before.mounts
            or self.control_groups > before.control_groups
            or not self.files <= before.files
        )

    @classmethod
    def here(cls) -> Traces:
        """As of now."""
        me = psutil.Process()
        family = [me, *me.children(recursive=True)]
        holders = [me, *_workers()]
        owners = {str(process.pid) for process in holders}
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        groups = [
            name.split("-")
            for tree in cgroups.trees()
            for _, names, _ in os.walk(tree.top)
            for name in names
            if name.startswith("metasearch-")
        ]
        return cls(
            processes=len([process for process in family if _alive(process)]),
            descriptors=sum(holder.num_fds() for holder in holders),
            mounts=len([line for line in mounts if re.search("sandbox|newroot", line)]),
            control_groups=len([group for group in groups if group[2] in owners]),
            files=frozenset(
                [str(path) for path in Path(tempfile.gettempdir()).rglob("*")]
                + [
                    str(path)
                    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run")
                    for path in Path(folder).glob("redteam-*")
                ]
            ),
        )


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _workers() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children()
        if "metasearch.evaluation.worker" in " ".join(process.cmdline())
    ]


class Ground:
    """A campaign that takes programs and keeps what became of them."""

    def __init__(
        self, pool: EvaluationPool, archive: CampaignArchive, hidden: list[str], spare: int
    ) -> None:
        self._spare = spare
        self._pool = pool
        self._archive = archive
        self._hidden = hidden
        self._numbers = itertools.count()

    async def try_out(self, files: Mapping[str, str]) -> Record:
        """Have a program judged; what the archive then says of it."""
        run = self._archive
        step = run.open_step()
        queued = run.queue_candidate(
            step.number, 0, Program(files=dict(files)), parents=(), operator="redteam"
        )
        result = await self._pool.evaluate(
            EvaluationRequest(number=queued.number, files=dict(files))
        )
        run.settle(queued.number, result)
        run.end_step(step.number)
        candidate = run.candidate(queued.number)
        record = Record(candidate, "\n".join(run.output(candidate)))
        assert not [secret for secret in self._hidden if secret in repr(record)], record
        return record

    async def honest_one(self) -> None:
        """An honest candidate comes by and gets what it deserves."""
        source = HONEST.format(number=next(self._numbers))
        HARMLESS.check(await self.try_out({"program.py": source}))

    @property
    def workers(self) -> list[int]:
        """The processes with the evaluator in them."""
        return [process.pid for process in _workers()]

    async def settled(self, before: Traces) -> None:
        """That there is no more here than there was before."""
        until = time.monotonic() + PATIENCE
        while (now := Traces.here()).beyond(before, self._spare):
            assert time.monotonic() < until, f"before: {before}\nnow: {now}"
            await asyncio.sleep(0.02)


@contextmanager
def baits(folder: Path, archive: Path) -> Iterator[dict[str, str | int]]:
    """Things to be reached: servers of this host, and what is said about them."""
    with socket.create_server(("0.0.0.0", 0)) as server, socket.socket(socket.AF_UNIX) as named:
        abstract = f"redteam-{os.getpid()}-{secrets.token_hex(4)}"
        path = folder / "host.sock"
        named.bind(str(path))
        path.chmod(0o777)
        named.listen()
        with socket.socket(socket.AF_UNIX) as nameless:
            nameless.bind("\0" + abstract)
            nameless.listen()
            addresses = [
                address.address
                for several in psutil.net_if_addrs().values()
                for address in several
                if address.family == socket.AF_INET
            ]
            yield {
                "port": server.getsockname()[1],
                "addresses": " ".join(addresses),
                "abstract": abstract,
                "socket": str(path),
                "folder": str(folder),
                "archive": str(archive),
                "home": str(Path.home()),
                "user": getpass.getuser(),
                "pid": os.getpid(),
            }


@contextmanager
def besieged(folder: Path, sandbox: str) -> Iterator[list[str]]:
    """A campaign's folder, with a key in the environment; all that is to be kept secret.

    Args:
        folder: Where it is to be.
        sandbox: Further lines of ``[sandbox]`` in its file.
    """
    key = secrets.token_hex(16)
    answers = [1e6 + secrets.randbelow(10**9) for _ in range(5)]
    for name in ("judge.py", "kit.py"):
        shutil.copy(HERE / name, folder / name)
    (folder / "program.py").write_text(HONEST.format(number="seed"))
    (folder / "hidden.json").write_text(json.dumps(answers))
    (folder / "campaign.toml").write_text(CAMPAIGN + sandbox)
    with baits(folder, folder / ARCHIVE) as bait:
        (folder / "bait.json").write_text(json.dumps(bait))
        os.environ["REDTEAM_API_KEY"] = key
        try:
            yield [key, *(f"{answer:.0f}" for answer in answers)]
        finally:
            del os.environ["REDTEAM_API_KEY"]


@asynccontextmanager
async def campaign_on(sandbox: str, folder: Path, spare: int) -> AsyncIterator[Ground]:
    """A campaign, warm, with one worker and room for a neighbour.

    Args:
        sandbox: Further lines of ``[sandbox]`` in its file.
        folder: Where it is to be.
        spare: How many descriptors of the provider come and go, whoever the candidate is.
    """
    with besieged(folder, sandbox) as hidden:
        campaign = load_campaign(folder)
        with Archive.open(folder / ARCHIVE, create=True) as archive:
            run = archive.create(campaign)
            with run.hold():
                async with EvaluationPool(EvaluationSpec.of(campaign), lanes=2) as pool:
                    await pool.check()
                    ground = Ground(pool, run, hidden, spare)
                    await asyncio.gather(ground.honest_one(), ground.honest_one())
                    before = Traces.here()
                    yield ground
                    await ground.settled(before)
