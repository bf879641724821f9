"""What a container is made from: every limit and every door that is shut, in one place."""

from __future__ import annotations

import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.types import DeviceRequest, LogConfig, Mount, Ulimit

from metasearch.errors import PrerequisiteError
from metasearch.sandboxes import daemon
from metasearch.sandboxes.base import SandboxSpec
from metasearch.sandboxes.connection import Message
from metasearch.sandboxes.gpus import shown as gpus
from metasearch.sandboxes.layers import PRIVATE
from metasearch.sandboxes.owners import CAMPAIGN_LABEL, DEVICES_LABEL, OWNER_LABEL
from metasearch.sandboxes.rootfs import CODE, HIDDEN, OURS, OUTSIDE_USER, environment
from metasearch.sandboxes.runner.keeper import inodes

_OVERHEAD = 32 * 1024**2
"""Bytes for the keeper, an interpreter of its own, beside the candidate."""
_OVERHEAD_PIDS = 1
_SHOWN = f"{CODE}/shown"
_LINKED = ("/tmp", "/var/tmp", PRIVATE)  # noqa: S108
"""Where a mount would be hidden by, or would hide, the private file system."""
_MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys"),
    *("/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list"),
    *("/proc/timer_stats", "/sys/block", "/sys/bus", "/sys/class", "/sys/dev"),
    *("/sys/devices/virtual/dmi", "/sys/devices/virtual/powercap", "/sys/firmware"),
    *("/sys/hypervisor", "/sys/kernel", "/sys/module", "/sys/power"),
)
"""What the engine covers by itself, and all that tells of the machine and is not needed."""
_ENTRY = (
    f"import sys; sys.path[0] = {CODE!r}; "
    "from metasearch.sandboxes.runner.container import main; main()"
)


@dataclass(frozen=True)
class Plan:
    """Containers of one kind. Made once, used for every container."""

    image: str
    """With our layer on top."""
    host: dict[str, Any]
    """The daemon's own form of limits, mounts and rights."""
    environment: list[str]
    labels: dict[str, str]
    setup: Message
    """The first message to each keeper."""

    def start(self, client: docker.APIClient) -> tuple[str, socket.socket]:
        """A container that is starting: its name and its standard streams.

        Nothing is left behind if this fails.
        """
        name = f"metasearch-{uuid.uuid4().hex}"
        try:
            client.create_container(
                self.image,
                ["-s", "-B", "-c", _ENTRY],
                entrypoint=["python3"],
                name=name,
                hostname="sandbox",
                user=f"{OUTSIDE_USER}:{OUTSIDE_USER}",
                environment=self.environment,
                working_dir="/",
                stdin_open=True,
                network_disabled=True,
                stop_signal="SIGKILL",
                healthcheck={"test": ["NONE"]},
                labels=self.labels,
                host_config=self.host,
            )
            streams = daemon.attach(client, name)
            try:
                client.start(name)
            except BaseException:
                streams.close()
                raise
        except BaseException:
            daemon.remove(client, name)
            raise
        return name, streams


def plan(client: docker.APIClient, spec: SandboxSpec, image: str, owner: str) -> Plan:
    """How containers of a spec are made by this daemon.

    Raises:
        PrerequisiteError: A path cannot be shown, or the daemon cannot keep a limit.
    """
    info = client.info()
    for able, what in (("MemoryLimit", "memory"), ("PidsLimit", "processes")):
        if not info.get(able):
            raise PrerequisiteError(
                f"This Docker daemon cannot limit {what} ({able} is false in 'docker info'), so "
                "candidates are not run on it. Give it the control groups, or use bubblewrap."
            )
    if spec.runtime and spec.runtime not in info.get("Runtimes", {}):
        known = ", ".join(sorted(info.get("Runtimes", {})))
        raise PrerequisiteError(
            f"sandbox.runtime is {spec.runtime!r}, which this Docker daemon does not know; it has "
            f"{known}. Add it to /etc/docker/daemon.json under 'runtimes'."
        )
    limits = spec.limits
    memory = limits.memory + _OVERHEAD
    mounts, links = _mounts(spec.paths)
    private = (
        f"rw,exec,nosuid,nodev,size={limits.disk},nr_inodes={inodes(limits.disk)},"
        f"mode=755,uid={OUTSIDE_USER},gid={OUTSIDE_USER}"
    )
    host = client.create_host_config(
        network_mode="none",
        ipc_mode="private",
        cgroupns="private" if str(info.get("CgroupVersion")) == "2" else None,
        runtime=spec.runtime or None,
        read_only=True,
        # Message queues would be a place to write to outside the private file system.
        tmpfs={PRIVATE: private, "/dev/mqueue": "ro,size=4k"},
        mounts=mounts,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit=memory,
        memswap_limit=memory,
        nano_cpus=max(int(limits.cpus * 1e9), 10_000_000) if info.get("CpuCfsQuota") else None,
        pids_limit=limits.pids + _OVERHEAD_PIDS,
        ulimits=[
            Ulimit(name="nofile", soft=1024, hard=1024),
            Ulimit(name="fsize", soft=limits.disk, hard=limits.disk),
            Ulimit(name="core", soft=0, hard=0),
        ],
        device_requests=[
            DeviceRequest(**request) for request in gpus.docker_requests(spec.devices)
        ],
        log_config=LogConfig(type=LogConfig.types.NONE),
        restart_policy={"Name": "no"},
    )
    host["MaskedPaths"] = list(_MASKED)
    return Plan(
        image=image,
        host=host,
        environment=[
            f"{name}={value}"
            for name, value in (*environment(threads=1), *gpus.environment(spec.devices))
        ],
        labels={
            OWNER_LABEL: owner,
            CAMPAIGN_LABEL: spec.campaign,
            DEVICES_LABEL: ",".join(device.uuid for device in spec.devices),
        },
        setup={"preload": list(spec.preload), "links": links},
    )


def _mounts(paths: tuple[str, ...]) -> tuple[list[Mount], dict[str, str]]:
    """Read-only views of host paths, and links to those that are seen through one."""
    mounts, links = [], {}
    for number, path in enumerate(paths):
        if not Path(path).is_absolute():
            raise PrerequisiteError(f"sandbox.paths has {path!r}, which is not an absolute path.")
        inside = Path(path)
        if path == "/" or path.rstrip("/") in HIDDEN or any(inside.is_relative_to(f) for f in OURS):
            raise PrerequisiteError(f"sandbox.paths has {path!r}, which cannot be shown inside.")
        target = path
        if any(inside.is_relative_to(top) for top in _LINKED):
            target = f"{_SHOWN}/{number}"
            links[path] = target
        mounts.append(Mount(target, path, type="bind", read_only=True))
    return mounts, links
