"""What is particular to bubblewrap: warm parents, fallbacks, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from stat import S_ISVTX

import pytest

from metasearch.candidate import Outcome
from metasearch.errors import CandidateFailure, PrerequisiteError, SandboxError
from metasearch.sandboxes import cgroups
from metasearch.sandboxes.base import Limits, SandboxSpec
from metasearch.sandboxes.bubblewrap import BubblewrapProvider
from metasearch.sandboxes.inside import explain
from metasearch.sandboxes.launch import WarmParent
from tests.sandboxes.checked import checked

pytestmark = pytest.mark.sandbox

SPEC = SandboxSpec(Limits(seconds=20))
PROGRAM = {"program.py": b"import time\ndef main(x=0):\n    time.sleep(x)\n    return 'done'\n"}


@pytest.fixture
async def provider() -> AsyncIterator[BubblewrapProvider]:
    async with checked(BubblewrapProvider()) as provider:
        yield provider


async def use(provider: BubblewrapProvider, spec: SandboxSpec = SPEC) -> None:
    async with provider.open(spec) as sandbox:
        await sandbox.write(PROGRAM)
        assert await sandbox.call("program:main") == "done"


def descendants() -> list[int]:
    """Processes that this one has started, directly or not."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parents[int(stat.parent.name)] = int(fields[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def groups(owner: int) -> list[Path]:
    """Control groups that a process has made."""
    pattern = f"**/metasearch-*-{owner}-*"
    return [path for tree in cgroups.trees() for path in tree.top.glob(pattern)]


def left() -> tuple[int, int, int, int]:
    """File descriptors, processes, mounts and control groups of this process."""
    mounts = Path("/proc/self/mountinfo").read_text()
    return (
        len(list(Path("/proc/self/fd").iterdir())),
        len(descendants()),
        mounts.count(" /sandbox ") + mounts.count("newroot"),
        len(groups(os.getpid())),
    )


async def nothing_is_left_after(provider: BubblewrapProvider, count: int) -> None:
    await asyncio.gather(*(use(provider) for _ in range(4)))
    before = left()
    hung = SandboxSpec(Limits(seconds=0.1))
    for number in range(count):
        if number % 10 == 9:
            async with provider.open(hung) as sandbox:
                await sandbox.write(PROGRAM)
                with pytest.raises(CandidateFailure, match="timed_out"):
                    await sandbox.call("program:main", 60)
        else:
            await use(provider)
    assert left() == before


async def test_thirty_in_a_row_leave_nothing(provider: BubblewrapProvider) -> None:
    await nothing_is_left_after(provider, 30)


@pytest.mark.slow
async def test_five_hundred_in_a_row_leave_nothing(provider: BubblewrapProvider) -> None:
    await nothing_is_left_after(provider, 500)


async def test_closing_ends_everything() -> None:
    before = left()
    provider = BubblewrapProvider()
    await use(provider)
    await provider.close()
    assert left()[1:] == before[1:]


async def test_many_at_once(provider: BubblewrapProvider) -> None:
    await asyncio.gather(*(use(provider) for _ in range(24)))


async def test_preloaded_modules_are_there_already(provider: BubblewrapProvider) -> None:
    source = b"import sys\nHAD = 'numpy' in sys.modules\ndef main(): return HAD\n"
    for preload in ((), ("numpy",)):
        async with provider.open(SandboxSpec(preload=preload)) as sandbox:
            await sandbox.write({"program.py": source})
            assert await sandbox.call("program:main") is bool(preload)


async def test_preload_that_cannot_be_imported(provider: BubblewrapProvider) -> None:
    with pytest.raises(PrerequisiteError, match=r"(?s)preload names 'no_such_module'.*pip install"):
        await use(provider, SandboxSpec(preload=("no_such_module",)))


def open_to_all(folder: Path) -> None:
    """Candidates of a root owner are another user, who must get at it."""
    for part in (folder, *folder.parents[:3]):
        if part.stat().st_mode & S_ISVTX:
            break  # /tmp is open to all, and is not ours to change
        part.chmod(0o755)


@pytest.fixture
def threaded_module(tmp_path: Path) -> Iterator[str]:
    """An installed module that starts a thread when it is imported."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    open_to_all(folder)
    (folder / "threaded_module.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    sys.path.append(str(folder))
    yield "threaded_module"
    sys.path.remove(str(folder))


@pytest.fixture
def module_with_files(tmp_path: Path) -> Iterator[str]:
    """An installed module that writes a temporary file when it is imported."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    open_to_all(folder)
    (folder / "module_with_files.py").write_text(
        "import tempfile\nfile = tempfile.NamedTemporaryFile(delete=False)\n"
    )
    sys.path.append(str(folder))
    yield "module_with_files"
    sys.path.remove(str(folder))


async def test_preload_may_write_temporary_files_that_candidates_do_not_see(
    provider: BubblewrapProvider, module_with_files: str, tmp_path: Path
) -> None:
    source = b"import os\ndef main(): return os.listdir('/tmp')\n"
    spec = SandboxSpec(preload=(module_with_files,))
    async with provider.open(spec) as sandbox:
        await sandbox.write({"program.py": source})
        names = await sandbox.call("program:main")
        assert isinstance(names, list)
        assert set(names) <= {tmp_path.relative_to("/tmp").parts[0]}  # shows where the module is


async def test_preload_that_starts_threads_is_started_cold(
    provider: BubblewrapProvider, threaded_module: str
) -> None:
    spec = SandboxSpec(preload=(threaded_module,))
    await use(provider, spec)
    assert await provider._parent(spec) is None


async def test_kernel_without_nested_namespaces_is_started_cold(
    provider: BubblewrapProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: WarmParent) -> str:
        return "clone: Operation not permitted"

    monkeypatch.setattr(WarmParent, "trial", refuse)
    fresh = BubblewrapProvider()
    try:
        await use(fresh)
        assert not await fresh._parent(SPEC)
    finally:
        await fresh.close()


async def test_shown_paths_can_be_read_and_not_written(
    provider: BubblewrapProvider, tmp_path: Path
) -> None:
    open_to_all(tmp_path)
    (tmp_path / "data.txt").write_text("shown")
    source = b"""
def main(path):
    try:
        open(path, "a").close()
    except OSError as error:
        return [open(path).read(), type(error).__name__]
"""
    async with provider.open(SandboxSpec(paths=(str(tmp_path),))) as sandbox:
        await sandbox.write({"program.py": source})
        content, error = await sandbox.call("program:main", str(tmp_path / "data.txt"))
    assert content == "shown"
    assert error in ("OSError", "PermissionError")


@pytest.mark.parametrize("path", ["relative", "/no/such/path", "/", "/proc/1", "/dev"])
async def test_paths_that_cannot_be_shown(provider: BubblewrapProvider, path: str) -> None:
    with pytest.raises(PrerequisiteError, match=r"sandbox\.paths"):
        await use(provider, SandboxSpec(paths=(path,)))


async def test_a_dead_warm_parent_is_replaced(provider: BubblewrapProvider) -> None:
    await use(provider)
    parent = await provider._parent(SPEC)
    assert parent is not None
    async with provider.open(SPEC) as sandbox:
        await sandbox.write(PROGRAM)
        call = asyncio.create_task(sandbox.call("program:main", 60))
        await asyncio.sleep(0.3)
        signal.pidfd_send_signal(parent.pidfd, signal.SIGKILL)
        with pytest.raises(SandboxError):
            await call
    await use(provider)


async def test_a_call_that_is_given_up_ends_the_sandbox(provider: BubblewrapProvider) -> None:
    async with provider.open(SPEC) as sandbox:
        await sandbox.write(PROGRAM)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await sandbox.call("program:main", 60)
        with pytest.raises(CandidateFailure) as caught:
            await sandbox.call("program:main")
        assert caught.value.outcome is Outcome.TIMED_OUT


async def test_calls_at_once_to_one_sandbox_take_turns(provider: BubblewrapProvider) -> None:
    async with provider.open(SPEC) as sandbox:
        await sandbox.write({"program.py": b"def main(x): return x"})
        answers = await asyncio.gather(*(sandbox.call("program:main", n) for n in range(10)))
    assert answers == list(range(10))


async def test_files_over_the_disk_limit_are_our_failure(provider: BubblewrapProvider) -> None:
    async with provider.open(SandboxSpec(Limits(disk=1024**2))) as sandbox:
        with pytest.raises(SandboxError, match="disk"):
            await sandbox.write({"big": bytes(2 * 1024**2)})


async def test_share_of_a_processor_is_limited(provider: BubblewrapProvider) -> None:
    if not any("cpu" in tree.controllers for tree in cgroups.trees()):
        pytest.skip("no control group for processor time here")
    source = b"""
import os, time
def main():
    until = time.monotonic() + 1
    while time.monotonic() < until: pass
    return time.process_time()
"""
    async with provider.open(SandboxSpec(Limits(seconds=10, cpus=0.25))) as sandbox:
        await sandbox.write({"program.py": source})
        assert await sandbox.call("program:main") < 0.5


async def test_processor_time_over_the_limit() -> None:
    provider = BubblewrapProvider(groups=False)
    source = b"""
import threading, hashlib
def main():
    data = bytes(10_000_000)
    def work():
        while True: hashlib.sha256(data)
    for _ in range(8): threading.Thread(target=work, daemon=True).start()
    threading.Event().wait()
"""
    try:
        async with provider.open(SandboxSpec(Limits(seconds=30, cpus=1 / 30))) as sandbox:
            await sandbox.write({"program.py": source})
            with pytest.raises(CandidateFailure, match="1 seconds of processor time") as caught:
                await sandbox.call("program:main")
            assert caught.value.outcome is Outcome.TIMED_OUT
    finally:
        await provider.close()


OWNER = """
import asyncio
from metasearch.sandboxes.base import Limits, SandboxSpec
from metasearch.sandboxes.bubblewrap import BubblewrapProvider

PROGRAM = b"import os\\ndef f(): os.execvp('sleep', ['sleep', '{mark}'])"

async def main():
    provider = BubblewrapProvider(cold={cold})
    async def one():
        async with provider.open(SandboxSpec(Limits(seconds=600))) as sandbox:
            await sandbox.write({{"p.py": PROGRAM}})
            await sandbox.call("p:f")
    await asyncio.gather(one(), one())

asyncio.run(main())
"""


def sleeping(mark: str) -> int:
    count = 0
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            count += cmdline.read_bytes() == f"sleep\0{mark}\0".encode()
    return count


def until(condition: object, seconds: float = 20.0) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("cold", [False, True])
def test_a_killed_owner_leaves_no_process(cold: bool) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    mark = str(80_000_000 + os.getpid() * 2 + cold)
    owner = subprocess.Popen([sys.executable, "-c", OWNER.format(cold=cold, mark=mark)])
    try:
        assert until(lambda: sleeping(mark) == 2)
    finally:
        owner.kill()
        owner.wait()
    assert until(lambda: sleeping(mark) == 0)
    assert until(lambda: cgroups.reap()[1] == 0)
    assert groups(owner.pid) == []


@pytest.mark.parametrize(
    ("complaint", "remedy"),
    [
        ("bwrap: No permissions to create new namespace: Operation not permitted", "namespaces"),
        ("bwrap: setting up uid map: Permission denied", "namespaces"),
        ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "namespaces"),
        ("bwrap: loopback: Failed RTM_NEWADDR: No child processes", "NET_ADMIN"),
        ("bwrap: Creating new namespace failed: nesting depth or ... (ENOSPC)", "namespaces"),
        ("bwrap: Can't find source path /x: Permission denied", "readable"),
        ("bwrap: something else", "bwrap --ro-bind"),
    ],
)
def test_complaints_come_with_a_remedy(complaint: str, remedy: str) -> None:
    assert remedy in str(explain(complaint))


@pytest.mark.parametrize(
    ("setting", "bad", "mended"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "15000"),
    ],
)
def test_the_setting_that_forbids_namespaces_is_named(
    tmp_path: Path, setting: str, bad: str, mended: str
) -> None:
    key = setting.replace("/", ".")
    (tmp_path / setting).parent.mkdir()
    (tmp_path / setting).write_text(f"{bad}\n")
    said = str(explain("bwrap: setting up uid map: Permission denied", tmp_path))
    assert f"{key} is {bad}" in said
    assert f"sudo sysctl -w {key}={mended}" in said
    (tmp_path / setting).write_text(f"{mended}\n")
    said = str(explain("bwrap: setting up uid map: Permission denied", tmp_path))
    assert key not in said


async def test_a_room_that_cannot_be_made_is_our_failure(provider: BubblewrapProvider) -> None:
    async with provider.open(SandboxSpec(Limits(disk=-1))) as sandbox:
        with pytest.raises(SandboxError, match="cannot be made"):
            await sandbox.call("program:main")
    await use(provider)
