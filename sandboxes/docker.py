"""The Docker provider: a fresh container for each candidate, out of a pool that is never reused."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import docker

from metasearch.errors import SandboxError
from metasearch.sandboxes import daemon, layers, trial
from metasearch.sandboxes.asks import Answers
from metasearch.sandboxes.base import Sandbox, SandboxSpec
from metasearch.sandboxes.build import image_of
from metasearch.sandboxes.connection import Connection, Listener
from metasearch.sandboxes.container import Container
from metasearch.sandboxes.daemon import Daemon, Missing
from metasearch.sandboxes.gpus.devices import Devices
from metasearch.sandboxes.gpus.nvml import NvmlDevices
from metasearch.sandboxes.gpus.watch import watching
from metasearch.sandboxes.owners import OWNER_LABEL, Owner
from metasearch.sandboxes.plan import Plan, plan
from metasearch.sandboxes.room import Room
from metasearch.sandboxes.standby import Standby

DEFAULT_IMAGE = image_of("python")
"""What ``metasearch sandbox build python`` makes."""

_MOST_SPECS = 3
"""Specs for which containers wait at once."""


class DockerProvider:
    """Satisfies :class:`metasearch.sandboxes.base.SandboxProvider`.

    Args:
        image: Where candidates run whose campaign names no image.
        host: The daemon's address; by default what ``DOCKER_HOST`` says.
        devices: Where the use of leased GPUs is looked up; NVML if not given.
    """

    name = "docker"

    def __init__(
        self, *, image: str = "", host: str | None = None, devices: Devices | None = None
    ) -> None:
        self._devices = devices or NvmlDevices()
        self._image = image or DEFAULT_IMAGE
        self._daemon = Daemon(host)
        self._owner = str(Owner.here())
        self._starts = asyncio.Semaphore(max(2, os.cpu_count() or 1))
        self._plans: dict[SandboxSpec, asyncio.Task[Plan]] = {}
        self._standbys: OrderedDict[SandboxSpec, Standby] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()
        self._containers: set[Container] = set()
        """All that are not yet removed."""
        self._unremoved: set[str] = set()
        """Containers that the daemon could not be asked to remove."""

    async def check(self) -> None:
        """Make sure that sandboxes can be opened here, by opening one."""
        await trial.open_one(self, "Docker")

    def describe(self, spec: SandboxSpec) -> str:
        """Image and runtime."""
        runtime = f", runtime {spec.runtime}" if spec.runtime else ""
        return f"docker (image {spec.image or self._image}{runtime})"

    @asynccontextmanager
    async def open(
        self, spec: SandboxSpec, answers: Answers | None = None
    ) -> AsyncIterator[Sandbox]:
        """A fresh sandbox, destroyed with everything in it when the block ends."""

        async def lease(listener: Listener, to_call: bool) -> Connection:
            container = await self._standby(spec).take()
            container.begin(listener, spec.limits, to_call=to_call)
            return container

        room = Room(spec, lease, answers)
        try:
            async with watching(room, spec.devices, self._devices):
                yield room
        finally:
            await asyncio.shield(room.close())

    async def reap(self) -> int:
        """Remove the containers of dead owners of this machine."""

        def dead(client: docker.APIClient) -> list[str]:
            found = client.containers(all=True, filters={"label": OWNER_LABEL})
            owners = {each["Id"]: each["Labels"][OWNER_LABEL] for each in found}
            return [
                name
                for name, text in owners.items()
                if (owner := Owner.parse(text)) is not None and owner.is_dead
            ]

        names = await self._daemon.ask(dead)
        await asyncio.gather(*(self._remove(name) for name in names))
        return len(names)

    async def close(self) -> None:
        """End standby sandboxes."""
        standbys, self._standbys = self._standbys, OrderedDict()
        await asyncio.gather(*(standby.close() for standby in standbys.values()), *self._closing)
        ends = (container.end() for container in self._containers)
        await asyncio.gather(*ends, return_exceptions=True)
        with contextlib.suppress(SandboxError):  # The next start reaps them.
            await self._remove_left()
        self._daemon.close()

    def _standby(self, spec: SandboxSpec) -> Standby:
        """The waiting containers for a spec; those of the spec that was used longest ago go."""
        # What is sent to the keeper with the order makes no difference to the container.
        kind = replace(spec, limits=replace(spec.limits, seconds=1.0, output=0))
        standby = self._standbys.get(kind)
        if standby is None:
            standby = self._standbys[kind] = Standby(lambda: self._make(kind), self._starts)
            self._close_oldest(kind)
        self._standbys.move_to_end(kind)
        return standby

    def _close_oldest(self, but: SandboxSpec) -> None:
        idle = [kind for kind, each in self._standbys.items() if each.idle and kind != but]
        if len(self._standbys) > _MOST_SPECS and idle:
            task = asyncio.create_task(self._standbys.pop(idle[0]).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _make(self, kind: SandboxSpec) -> Container:
        """A container that is up and waits for a candidate."""
        await self._remove_left()
        found, name, streams = await self._start(kind)
        container = Container(self._daemon, name, streams, found.setup, self._gone)
        self._containers.add(container)
        try:
            await container.ready()
            if kind.devices:  # whose use is counted by process
                container.process = await self._daemon.ask(
                    lambda client: int(client.inspect_container(name)["State"]["Pid"])
                )
        except BaseException:
            with contextlib.suppress(SandboxError):
                await container.end()
            raise
        return container

    async def _start(self, kind: SandboxSpec) -> tuple[Plan, str, socket.socket]:
        found = await self._plan(kind)
        try:
            return found, *await self._daemon.ask(found.start)
        except Missing:
            # Somebody has removed our layer, or the daemon is another one by now.
            if await self._plan(kind) is found:
                del self._plans[kind]
            found = await self._plan(kind)
            return found, *await self._daemon.ask(found.start)

    async def _plan(self, kind: SandboxSpec) -> Plan:
        task = self._plans.get(kind)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._plans[kind] = asyncio.create_task(self._make_plan(kind))
        return await asyncio.shield(task)

    async def _make_plan(self, kind: SandboxSpec) -> Plan:
        image = await layers.layered(self._daemon, kind.image or self._image, self._owner)
        return await self._daemon.ask(lambda client: plan(client, kind, image, self._owner))

    def _gone(self, container: Container, error: SandboxError | None) -> None:
        self._containers.discard(container)
        for standby in self._standbys.values():
            standby.forget(container)
        if error is not None:
            self._unremoved.add(container.name)

    async def _remove_left(self) -> None:
        """Remove what could not be removed while the daemon was away."""
        names, self._unremoved = self._unremoved, set()
        await asyncio.gather(*(self._remove(name) for name in names))

    async def _remove(self, name: str) -> None:
        try:
            await self._daemon.ask(lambda client: daemon.remove(client, name))
        except SandboxError:
            self._unremoved.add(name)
            raise
