"""The GPUs that NVIDIA's driver knows, through its management library."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from metasearch.errors import PrerequisiteError
from metasearch.sandboxes.gpus.devices import Device, DeviceFault, Usage
from metasearch.sandboxes.gpus.processes import is_isolated
from metasearch.sandboxes.gpus.shown import NEEDED

_BY_PROGRAMS = frozenset({13, 31, 43, 45, 68, 109})
"""XID errors that a program brings on by itself (a wrong address, an endless kernel); the
device is none the worse. NVIDIA's own scheduler plug-in for Kubernetes passes over the same
ones. Were they counted as faults, any candidate could take a device from the others."""


class NvmlDevices:
    """Satisfies :class:`metasearch.sandboxes.gpus.devices.Devices`.

    The library is loaded when it is first asked something, so that machines and campaigns
    without a GPU never notice it.

    Args:
        folder: Where the device files are.
    """

    def __init__(self, folder: Path = Path("/dev")) -> None:
        self._folder = folder
        self._nvml: ModuleType | None = None
        self._handles: dict[str, Any] = {}
        self._events: Any = None
        self._opening = threading.Lock()

    def found(self) -> Sequence[Device]:
        """All GPUs of the driver."""
        nvml = self._library()
        try:
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            raise PrerequisiteError(f"NVML cannot list the GPUs: {error}") from None
        return [self._device(nvml, index) for index in range(count)]

    def usage(self, uuid: str) -> Usage:
        """Memory, computing processes and load of one GPU."""
        nvml = self._library()
        try:
            handle = self._handles.get(uuid) or nvml.nvmlDeviceGetHandleByUUID(uuid)
            memory = int(_memory(nvml, handle).used)
            return Usage(memory, _processes(nvml, handle), _busy(nvml, handle))
        except nvml.NVMLError as error:
            raise DeviceFault(f"NVML: {error}") from None

    def faults(self) -> Mapping[str, str]:
        """XID errors since the last question, but those that programs bring on themselves."""
        found: dict[str, str] = {}
        nvml = self._library()
        while self._events is not None:
            try:
                event = nvml.nvmlEventSetWait_v2(self._events, 0)
                if event.eventData not in _BY_PROGRAMS:
                    uuid = str(nvml.nvmlDeviceGetUUID(event.device))
                    found[uuid] = f"the driver reported XID {event.eventData}"
            except nvml.NVMLError:
                break  # None waits; a device that is lost is seen by its usage.
        return found

    def close(self) -> None:
        """Let go of the driver."""
        with self._opening:
            if self._nvml is not None:
                if self._events is not None:
                    self._nvml.nvmlEventSetFree(self._events)
                self._nvml.nvmlShutdown()
            self._nvml = self._events = None
            self._handles.clear()

    def _library(self) -> ModuleType:
        with self._opening:
            self._nvml = self._nvml or self._open()
            return self._nvml

    def _open(self) -> ModuleType:
        try:
            import pynvml
        except ImportError:
            raise PrerequisiteError(
                "GPUs are looked for with nvidia-ml-py, which is not installed: "
                "pip install 'metasearch[gpu]'"
            ) from None
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise PrerequisiteError(
                f"NVIDIA's driver does not answer: {error}. Without an NVIDIA GPU this is as "
                "it should be; with one, install the driver. In a container, start it with "
                "'--gpus all'."
            ) from None
        try:
            self._events = pynvml.nvmlEventSetCreate()
        except pynvml.NVMLError:
            self._events = None  # Not on this platform: faults show in usage alone.
        library: ModuleType = pynvml
        return library

    def _device(self, nvml: ModuleType, index: int) -> Device:
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = str(nvml.nvmlDeviceGetUUID(handle))
            memory = _memory(nvml, handle)
            nvml.nvmlDeviceGetComputeRunningProcesses(handle)  # drivers before 510 cannot
            node = self._folder / f"nvidia{nvml.nvmlDeviceGetMinorNumber(handle)}"
            device = Device(
                uuid=uuid,
                name=str(nvml.nvmlDeviceGetName(handle)),
                node=str(node),
                memory=int(memory.total) - int(getattr(memory, "reserved", 0)),
                problem=_partitioned(nvml, handle) or self._missing(node),
            )
        except nvml.NVMLError as error:
            return Device(f"number {index}", "GPU", "", 0, f"NVML: {error}")
        if uuid not in self._handles:
            self._handles[uuid] = handle
            self._listen(nvml, handle)
        return device

    def _missing(self, node: Path) -> str:
        """Device files that are made at first use, which no candidate may do."""
        for path in (node, *(self._folder / name for name in NEEDED)):
            if not path.exists():
                return f"{path} is missing; 'nvidia-modprobe -c 0 -u' or any CUDA program makes it"
        return ""

    def _listen(self, nvml: ModuleType, handle: Any) -> None:
        if self._events is None:
            return
        try:
            kind = nvml.nvmlEventTypeXidCriticalError
            nvml.nvmlDeviceRegisterEvents(handle, kind, self._events)
        except nvml.NVMLError:
            return  # Some consumer cards report none: their faults show in usage alone.


def _busy(nvml: ModuleType, handle: Any) -> float | None:
    try:
        return int(nvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100
    except nvml.NVMLError:
        return None


def _memory(nvml: ModuleType, handle: Any) -> Any:
    """With the driver's own part told apart, where the driver is new enough (510)."""
    try:
        return nvml.nvmlDeviceGetMemoryInfo(handle, nvml.nvmlMemory_v2)
    except (nvml.NVMLError_FunctionNotFound, nvml.NVMLError_NotSupported):
        return nvml.nvmlDeviceGetMemoryInfo(handle)


def _processes(nvml: ModuleType, handle: Any) -> dict[int, int | None]:
    """Those that compute, and candidates that draw, which takes memory too."""
    found = {
        process.pid: process.usedGpuMemory
        for process in nvml.nvmlDeviceGetGraphicsRunningProcesses(handle)
        if is_isolated(process.pid)
    }
    for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle):
        found[process.pid] = process.usedGpuMemory
    return found


def _partitioned(nvml: ModuleType, handle: Any) -> str:
    try:
        mode, _ = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:
        return ""
    if mode != nvml.NVML_DEVICE_MIG_ENABLE:
        return ""
    return "it is partitioned (MIG mode), which metasearch does not support"
