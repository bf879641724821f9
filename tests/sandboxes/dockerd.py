"""A Docker daemon of the tests' own, that they may stop: its own socket, data and containerd."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

IMAGE = "metasearch-test-base"
"""What ``.ci/docker_base`` makes."""


class OwnDaemon:
    """Started, stopped and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self._containerd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self._containerd is None:
            config = self._folder / "containerd.toml"
            config.write_text(
                f'version = 2\nroot = "{self._folder}/root"\nstate = "{self._folder}/state"\n'
                'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                f'[grpc]\naddress = "{self._folder}/containerd.sock"\n'
            )
            self._containerd = self._run("containerd", "--config", str(config))
        self._process = self._run(
            *("dockerd", f"--host={self.host}", f"--containerd={self._folder}/containerd.sock"),
            *(f"--data-root={self._folder}/data", f"--exec-root={self._folder}/exec"),
            *(f"--pidfile={self._folder}/pid", "--bridge=none", "--iptables=false"),
        )
        for _ in range(300):
            try:
                docker.APIClient(self.host, version="auto").close()
            except DockerException:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError((self._folder / "log").read_text()[-2000:])

    def _run(self, *line: str) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, as an administrator does, or by the signal given."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(60)

    def load(self, image: str) -> None:
        """Give it an image of this machine's daemon."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            environment = os.environ | {"DOCKER_HOST": self.host}
            subprocess.run(
                ["docker", "load", "--quiet"], stdin=saved.stdout, env=environment, check=True
            )

    def end(self) -> None:
        """Stop it for good and remove what it has written."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        if self._containerd is not None:
            self._containerd.terminate()
            self._containerd.wait(60)
        for mount in Path("/proc/self/mountinfo").read_text().splitlines():
            path = mount.split()[4]
            if path.startswith(str(self._folder)):
                subprocess.run(["umount", "-l", path], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)


def running() -> Iterator[OwnDaemon]:
    """One that has the tests' image; for fixtures."""
    # Not below pytest's own folder: a socket's path may have 108 characters.
    daemon = OwnDaemon(Path(tempfile.mkdtemp(prefix="metasearch-dockerd-")))
    try:
        daemon.start()
        daemon.load(IMAGE)
        yield daemon
    finally:
        daemon.end()


def connect() -> docker.APIClient:
    """A client of the daemon that sandboxes use, too."""
    return docker.APIClient(os.environ.get("DOCKER_HOST"), version="auto")


@functools.cache
def why_not() -> str:
    """Why tests with Docker cannot run here; nothing if they can."""
    try:
        with connect() as client:
            client.inspect_image(IMAGE)
    except DockerException as error:
        return f"no Docker daemon with the image {IMAGE} (see .ci/docker_base): {error}"
    return ""


needs_docker = pytest.mark.skipif(bool(why_not()), reason=why_not())
needs_own_daemon = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("dockerd") is None,
    reason="only root can start a Docker daemon of its own",
)
