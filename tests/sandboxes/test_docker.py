"""What is particular to Docker: the pool, its daemon coming and going, and what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest

from metasearch.errors import (
    PrerequisiteError,
    SandboxError,
    SandboxUnavailable,
)
from metasearch.sandboxes.base import Limits, SandboxSpec
from metasearch.sandboxes.build import LAYERED, build, built_name
from metasearch.sandboxes.docker import DockerProvider
from metasearch.sandboxes.owners import OWNER_LABEL, Owner
from tests.sandboxes.dockerd import (
    IMAGE,
    OwnDaemon,
    connect,
    needs_docker,
    needs_own_daemon,
    running,
)

pytestmark = [pytest.mark.sandbox, pytest.mark.slow, needs_docker]

SPEC = SandboxSpec(Limits(seconds=20, memory=128 * 1024**2, disk=8 * 1024**2))
PROGRAM = {
    "program.py": textwrap.dedent(
        """
        import os, time
        def main(x=0):
            time.sleep(x)
            return 'done'
        def mark(path):
            found = os.path.exists(path)
            open(path, 'w').close()
            return found
        """
    ).encode()
}


@pytest.fixture
async def provider() -> AsyncIterator[DockerProvider]:
    provider = DockerProvider(image=IMAGE)
    try:
        yield provider
    finally:
        await provider.close()


@pytest.fixture
def client() -> Iterator[docker.APIClient]:
    with connect() as client:
        yield client


async def use(provider: DockerProvider, spec: SandboxSpec = SPEC, x: float = 0) -> None:
    async with provider.open(spec) as sandbox:
        await sandbox.write(PROGRAM)
        assert await sandbox.call("program:main", x) == "done"


def ours(client: docker.APIClient) -> list[dict[str, Any]]:
    """The containers of this process."""
    label = f"{OWNER_LABEL}={Owner.here()}"
    return list(client.containers(all=True, filters={"label": label}))


async def test_containers_wait_and_are_never_used_twice(
    provider: DockerProvider, client: docker.APIClient
) -> None:
    seen: set[str] = set()
    for _ in range(4):
        async with provider.open(SPEC) as sandbox:
            await sandbox.write(PROGRAM)
            assert not await sandbox.call("program:mark", "/tmp/mark")
            identity = (await sandbox.run(["sh", "-c", "cat /proc/self/mountinfo"])).stdout
            upper = next(part for part in identity.split(b",") if b"upperdir" in part)
            assert upper.decode() not in seen
            seen.add(upper.decode())
            # Another one waits, or is on its way up.
            for _ in range(100):
                if len([c for c in ours(client) if c["State"] == "running"]) == 2:
                    break
                await asyncio.sleep(0.1)
            else:
                raise AssertionError("no container was made in advance")
    await provider.close()
    assert ours(client) == []


async def test_the_pool_follows_the_lanes(
    provider: DockerProvider, client: docker.APIClient
) -> None:
    await asyncio.gather(*(use(provider, x=0.2) for _ in range(3)))
    for _ in range(100):
        states = [container["State"] for container in ours(client)]
        if states == ["running"] * 3:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"three lanes and these containers: {states}")


async def test_how_containers_are_made(provider: DockerProvider, client: docker.APIClient) -> None:
    async with provider.open(replace(SPEC, campaign="packing")) as sandbox:
        await sandbox.run(["true"])
        found = client.inspect_container(ours(client)[0]["Id"])
    assert found["Config"]["Labels"]["metasearch.campaign"] == "packing"
    assert found["Config"]["Labels"]["metasearch.owner"] == str(Owner.here())
    host = found["HostConfig"]
    assert found["Config"]["User"] == "65534:65534"
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Memory"] == host["MemorySwap"] < SPEC.limits.memory + 64 * 1024**2
    assert host["PidsLimit"] == SPEC.limits.pids + 1
    assert host["NanoCpus"] == 1_000_000_000
    assert host["LogConfig"]["Type"] == "none"
    assert host["Privileged"] is False
    assert not host["Binds"]


async def test_modules_are_imported_before_the_candidate_comes(provider: DockerProvider) -> None:
    source = b"import sys\nHAD = 'numpy' in sys.modules\ndef main(): return HAD\n"
    for preload in ((), ("numpy",)):
        async with provider.open(SandboxSpec(preload=preload)) as sandbox:
            await sandbox.write({"program.py": source})
            assert await sandbox.call("program:main") is bool(preload)


async def test_input_that_nobody_reads_is_not_held_inside(provider: DockerProvider) -> None:
    script = (
        "sleep 1; cat /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null"
        " || cat /sys/fs/cgroup/memory.peak"
    )
    async with provider.open(SPEC) as sandbox:
        done = await sandbox.run(["sh", "-c", script], stdin=bytes(64 * 1024**2))
    assert 0 < int(done.stdout) < 48 * 1024**2


async def test_preload_that_cannot_be_imported(provider: DockerProvider) -> None:
    with pytest.raises(PrerequisiteError, match="no_such_module"):
        await use(provider, SandboxSpec(preload=("no_such_module",)))


async def test_missing_image_says_how_to_get_it(provider: DockerProvider) -> None:
    with pytest.raises(PrerequisiteError, match="docker pull no-such-image"):
        await use(provider, SandboxSpec(image="no-such-image"))


async def test_an_image_whose_interpreter_prints_is_told(
    provider: DockerProvider, client: docker.APIClient, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os; os.write(1, b'Welcome ' * 9)")
    (tmp_path / "Dockerfile").write_text(
        f"FROM {IMAGE}\nCOPY sitecustomize.py /etc/python3.11/\nLABEL run={uuid.uuid4().hex}\n"
    )
    name = built_name(tmp_path / "Dockerfile")
    build(client, tmp_path / "Dockerfile", name, {})
    try:
        with pytest.raises(SandboxError, match="does Python print"):
            await use(provider, SandboxSpec(image=name))
    finally:
        client.remove_image(name, force=True)


async def test_preload_may_write_temporary_files(
    provider: DockerProvider, client: docker.APIClient, tmp_path: Path
) -> None:
    (tmp_path / "with_files.py").write_text(
        "import tempfile\nfile = tempfile.NamedTemporaryFile(delete=False)\n"
    )
    (tmp_path / "Dockerfile").write_text(
        f"FROM {IMAGE}\nCOPY with_files.py /usr/lib/python3/dist-packages/\n"
        f"LABEL run={uuid.uuid4().hex}\n"
    )
    name = built_name(tmp_path / "Dockerfile")
    build(client, tmp_path / "Dockerfile", name, {})
    try:
        await use(provider, SandboxSpec(image=name, preload=("with_files",)))
    finally:
        client.remove_image(name, force=True)


async def test_unknown_runtime_says_which_there_are(provider: DockerProvider) -> None:
    with pytest.raises(PrerequisiteError, match=r"'runsc'.*runc"):
        await use(provider, SandboxSpec(runtime="runsc"))


async def test_shown_paths_can_be_read_and_not_written(
    provider: DockerProvider, tmp_path: Path
) -> None:
    # Below /tmp, where the candidate also has files of its own.
    data = tmp_path / "data.txt"
    data.write_text("shown")
    for folder in (*tmp_path.parents, tmp_path):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)
    async with provider.open(SandboxSpec(paths=(str(tmp_path),))) as sandbox:
        assert (await sandbox.run(["cat", str(data)])).stdout == b"shown"
        assert (await sandbox.run(["sh", "-c", f"echo x > {data}"])).exit_code != 0
        assert (await sandbox.run(["sh", "-c", "echo x > /tmp/x && cat /tmp/x"])).stdout == b"x\n"


@pytest.mark.parametrize("path", ["relative", "/", "/proc/1", "/etc", "/dev/null"])
async def test_paths_that_cannot_be_shown(provider: DockerProvider, path: str) -> None:
    with pytest.raises(PrerequisiteError, match=r"sandbox\.paths"):
        await use(provider, SandboxSpec(paths=(path,)))


async def test_cancelled_opens_leave_nothing(
    provider: DockerProvider, client: docker.APIClient
) -> None:
    for delay in (0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5):
        task = asyncio.create_task(use(provider, x=30))
        await asyncio.sleep(delay)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await use(provider)
    await provider.close()
    assert ours(client) == []


async def test_a_container_that_somebody_removes_is_not_the_candidates_fault(
    provider: DockerProvider, client: docker.APIClient
) -> None:
    async with provider.open(SPEC) as sandbox:
        await sandbox.write(PROGRAM)
        call = asyncio.create_task(sandbox.call("program:main", 15))
        await asyncio.sleep(0.5)
        for container in ours(client):
            client.kill(container["Id"])
        with pytest.raises(SandboxError, match="killed from outside"):
            await call
    await use(provider)


async def test_reaping_takes_what_dead_owners_left_and_nothing_else(
    provider: DockerProvider, client: docker.APIClient
) -> None:
    here = Owner.here()
    theirs = await asyncio.to_thread(killed_while_busy)
    label = {"label": f"{OWNER_LABEL}={theirs}"}
    elsewhere = f"other-machine/{here.boot}/{here.namespace}/{here.pid}/1"
    foreign = [
        client.create_container(IMAGE, ["true"], labels={OWNER_LABEL: text})["Id"]
        for text in (elsewhere, "something else")
    ]
    unlabelled = client.create_container(IMAGE, ["true"])["Id"]
    try:
        await use(provider)
        assert client.containers(all=True, filters=label)
        mine = {container["Id"] for container in ours(client)}
        assert await provider.reap() >= 1
        assert client.containers(all=True, filters=label) == []
        there = {container["Id"] for container in client.containers(all=True)}
        assert {*foreign, unlabelled, *mine} <= there
    finally:
        for name in (*foreign, unlabelled):
            client.remove_container(name)


def killed_while_busy() -> str:
    """Who a process was that has been killed with a sandbox open."""
    with subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, IMAGE], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        who = child.stdout.readline().strip()
        child.kill()
    assert who
    return who


_ENDLESS = """
import asyncio, sys
from metasearch.sandboxes.base import Limits, SandboxSpec
from metasearch.sandboxes.docker import DockerProvider
from metasearch.sandboxes.owners import Owner
async def main():
    provider = DockerProvider(image=sys.argv[1])
    async with provider.open(SandboxSpec(Limits(seconds=60))) as sandbox:
        await sandbox.run(["true"])
        print(Owner.here(), flush=True)
        await sandbox.run(["sleep", "60"])
asyncio.run(main())
"""


def test_owners_are_told_apart() -> None:
    here = Owner.here()
    assert Owner.parse(str(here)) == here
    assert not here.is_dead
    assert Owner.parse("something/else") is None
    dead = subprocess.run(
        [
            sys.executable,
            "-c",
            "from metasearch.sandboxes.owners import Owner; print(Owner.here())",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    gone = Owner.parse(dead.stdout.strip())
    assert gone is not None
    assert gone.is_dead


async def test_a_layer_that_somebody_removes_is_put_on_again(
    provider: DockerProvider, client: docker.APIClient
) -> None:
    image = f"metasearch-test-{uuid.uuid4().hex}"
    spec = SandboxSpec(image=image)
    client.tag(IMAGE, image)
    try:
        await use(provider, spec)
        for container in ours(client):
            client.remove_container(container["Id"], force=True)
        await asyncio.sleep(2)  # That those that were waiting are gone is noticed.
        for name in layers(client):
            with contextlib.suppress(docker.errors.APIError):  # Of those in use elsewhere.
                client.remove_image(name)
        await use(provider, spec)
    finally:
        client.remove_image(image)


def layers(client: docker.APIClient) -> set[str]:
    """The images that have our layer."""
    return {tag for image in client.images(LAYERED) for tag in image["RepoTags"]}


@pytest.fixture(scope="module")
def own_daemon() -> Iterator[OwnDaemon]:
    yield from running()


@needs_own_daemon
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_daemon_that_stops_and_comes_back(own_daemon: OwnDaemon, number: int) -> None:
    provider = DockerProvider(image=IMAGE, host=own_daemon.host)
    try:
        await use(provider)
        running = asyncio.create_task(use(provider, x=15))
        await asyncio.sleep(1)
        await asyncio.to_thread(own_daemon.stop, number)
        with pytest.raises(SandboxUnavailable, match="Docker"):
            await running
        with pytest.raises(SandboxUnavailable, match=r"not reachable at unix:.*systemctl start"):
            await use(provider)
        await asyncio.to_thread(own_daemon.start)
        await use(provider)
        await asyncio.gather(*(use(provider) for _ in range(3)))
    finally:
        await provider.close()
    with docker.APIClient(own_daemon.host, version="auto") as client:
        for _ in range(50):
            if not ours(client):
                break
            await asyncio.sleep(0.1)
        assert ours(client) == []


async def test_no_daemon_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = DockerProvider(image=IMAGE, host="unix:///nowhere/docker.sock")
    try:
        with pytest.raises(PrerequisiteError, match="systemctl start docker"):
            await provider.check()
        with pytest.raises(SandboxUnavailable):
            await use(provider)
    finally:
        await provider.close()
    with pytest.raises(PrerequisiteError, match="ssh -nNT -L"):
        await use(DockerProvider(host="ssh://somewhere"))
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    with pytest.raises(PrerequisiteError, match="over TLS"):
        await use(DockerProvider(host="tcp://127.0.0.1:1"))


def test_the_environment_names_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(SandboxUnavailable, match=r"127\.0\.0\.1:1"):
        asyncio.run(_once())
    assert time.monotonic() - began < 10


async def _once() -> None:
    provider = DockerProvider(image=IMAGE)
    try:
        await use(provider)
    finally:
        await provider.close()
