"""What a sandbox shows of the devices that were leased for it, and of no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

from metasearch.sandboxes.base import LeasedDevice

NEEDED = ("nvidiactl", "nvidia-uvm")
"""The driver's own device files, without which no program computes. Through them it reaches
only devices whose own file it can open."""

_CONTROL = tuple(f"/dev/{name}" for name in (*NEEDED, "nvidia-uvm-tools"))


def nodes(devices: Sequence[LeasedDevice]) -> Iterator[tuple[str, str]]:
    """Device files to show: where they are outside, and where inside."""
    if devices:
        yield from ((node, node) for node in _CONTROL if Path(node).exists())
    yield from ((device.node, f"/dev/{Path(device.node).name}") for device in devices)


def environment(devices: Sequence[LeasedDevice]) -> Iterator[tuple[str, str]]:
    """Variables that libraries look at.

    They are advice: a program that ignores them meets the device files that it was given,
    and the watch over its share of the memory.
    """
    if not devices:
        return
    uuids = ",".join(device.uuid for device in devices)
    yield "CUDA_VISIBLE_DEVICES", uuids
    yield "NVIDIA_VISIBLE_DEVICES", uuids
    share = min(device.share for device in devices)
    if share < 1:
        yield "METASEARCH_GPU_SHARE", f"{share:g}"
        # JAX takes three quarters of a device at once if nothing is said.
        yield "XLA_PYTHON_CLIENT_MEM_FRACTION", f"{0.9 * share:.4f}"


class DeviceRequest(TypedDict):
    """The arguments of ``docker.types.DeviceRequest``; containers take it as it is."""

    driver: str
    device_ids: list[str]
    capabilities: list[list[str]]


def docker_requests(devices: Sequence[LeasedDevice]) -> list[DeviceRequest]:
    """What Docker is to be asked for (``device_requests``); nothing if no device is leased."""
    if not devices:
        return []
    uuids = [device.uuid for device in devices]
    return [{"driver": "nvidia", "device_ids": uuids, "capabilities": [["compute", "utility"]]}]
