"""The Docker daemon, asked without blocking: its client's calls run in a few threads.

What goes wrong gets its right name here: a daemon that is not reachable is
:class:`metasearch.errors.SandboxUnavailable`, a request that it refuses is a
:class:`metasearch.errors.SandboxError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from metasearch.errors import PrerequisiteError, SandboxError, SandboxUnavailable

T = TypeVar("T")

_THREADS = 6
_SECONDS = 60
"""How long the daemon may take for one answer."""


class Missing(SandboxError):
    """The daemon has no such image or container."""


class Daemon:
    """The daemon that ``DOCKER_HOST`` names, or this machine's.

    Args:
        host: Instead: its address, such as ``unix:///var/run/docker.sock``.
    """

    def __init__(self, host: str | None = None) -> None:
        self.host = host or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")
        self._own = threading.local()
        self._clients: list[docker.APIClient] = []

    async def ask(self, question: Callable[[docker.APIClient], T]) -> T:
        """Put a question to the daemon in a thread, with a client of that thread's own.

        Raises:
            SandboxUnavailable: The daemon is not reachable.
            SandboxError: It refuses.
            PrerequisiteError: It is one that cannot be used.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._ask, question)

    def close(self) -> None:
        """Let the threads end, and hang up."""
        self._threads.shutdown(wait=False)
        for client in self._clients:
            client.close()

    def _ask(self, question: Callable[[docker.APIClient], T]) -> T:
        if not self.host.startswith(("unix://", "tcp://", "http://")):
            raise PrerequisiteError(
                f"DOCKER_HOST is {self.host!r}; sandboxes need an address of the form "
                "unix:///path or tcp://host:port. A daemon elsewhere can be brought here with "
                "'ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST'."
            )
        if os.environ.get("DOCKER_TLS_VERIFY"):
            raise PrerequisiteError(
                "DOCKER_TLS_VERIFY is set, but sandboxes cannot use a Docker daemon over TLS. "
                "Bring it here with 'ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST' "
                "and set DOCKER_HOST to unix:///tmp/docker.sock."
            )
        try:
            return question(self._client())
        except NotFound as error:
            raise Missing(f"Docker refuses: {error.explanation or error}") from None
        except APIError as error:
            # On its way down it still answers for a while, but takes no new connections.
            if error.is_server_error() and not self._reachable():
                raise self._unavailable("it is shutting down") from None
            raise SandboxError(f"Docker refuses: {error.explanation or error}") from None
        except (DockerException, requests.RequestException, OSError) as error:
            if (client := getattr(self._own, "client", None)) is not None:
                self._own.client = None
                self._clients.remove(client)
                client.close()
            raise self._unavailable(_cause(error)) from None

    def _client(self) -> docker.APIClient:
        client = getattr(self._own, "client", None)
        if client is None:
            client = docker.APIClient(self.host, version="auto", timeout=_SECONDS)
            # It keeps a connection for every address that it has asked, and each container has
            # addresses of its own.
            client.headers["Connection"] = "close"
            self._own.client = client
            self._clients.append(client)
        return client

    def _reachable(self) -> bool:
        try:
            docker.APIClient(self.host, version="auto", timeout=5).close()
        except DockerException:
            return False
        return True

    async def reachable(self) -> bool:
        """Whether it takes a new connection."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._reachable)

    def _unavailable(self, cause: str) -> SandboxUnavailable:
        remedy = "Start it with 'systemctl start docker', or name another with DOCKER_HOST."
        if "Permission denied" in cause:
            remedy = "Let this user use it with 'sudo usermod -aG docker $USER' and log in again."
        return SandboxUnavailable(
            f"The Docker daemon is not reachable at {self.host}: {cause}. {remedy}"
        )


def attach(client: docker.APIClient, container: str) -> socket.socket:
    """The standard streams of a container that has not started yet, as one socket."""
    streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    file = client.attach_socket(container, params=streams)
    theirs: socket.socket = file._sock
    # Of our own: the client's may be closed whenever its response is forgotten.
    ours = socket.socket(fileno=os.dup(theirs.fileno()))
    theirs.close()
    file.close()
    return ours


def remove(client: docker.APIClient, container: str) -> None:
    """Kill a container and remove it, unless it is gone or going already."""
    try:
        client.remove_container(container, v=True, force=True)
    except NotFound:
        return
    except APIError as error:
        if error.response is None or error.response.status_code != 409:
            raise
        with contextlib.suppress(NotFound):
            client.wait(container, condition="removed", timeout=_SECONDS)


def _cause(error: BaseException) -> str:
    """The innermost reason, which the client wraps several times over."""
    seen = error
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    return str(seen) or type(seen).__name__
