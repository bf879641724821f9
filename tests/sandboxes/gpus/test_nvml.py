"""NVML: what a machine without a driver says, and what the real bindings make of a driver.

The driver here is a small C library with NVML's functions, so that every call goes through
the bindings as it would on a machine with GPUs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from metasearch.errors import PrerequisiteError
from metasearch.sandboxes.gpus.nvml import NvmlDevices

DRIVER = r"""
#include <string.h>
#include <stdio.h>
typedef unsigned int u32; typedef unsigned long long u64;
typedef struct { u32 version; u64 total, reserved, free, used; } memory;
typedef struct { u32 pid; u64 used; u32 gpu, compute; } process;
typedef struct { void *device; u64 type, data; u32 gpu, compute; } event;
enum { LOST = 15, TIMEOUT = 10, SMALL = 7, UNSUPPORTED = 3, NOT_FOUND = 6 };
static int devices[3] = {0, 1, 2};
static u64 xids[] = {13, 79};
static int waiting = 0, listening = 0;
static int index_of(void *device) { return *(int *)device; }
int nvmlInitWithFlags(u32 flags) { return 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return code == LOST ? "GPU is lost" : "Error"; }
int nvmlDeviceGetCount_v2(u32 *count) { *count = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(u32 index, void **device) {
    *device = &devices[index]; return index == 2 ? LOST : 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
    *device = &devices[uuid[4] - '0']; return uuid[4] < '2' ? 0 : NOT_FOUND; }
int nvmlDeviceGetUUID(void *device, char *text, u32 size) {
    snprintf(text, size, "GPU-%d", index_of(device)); return 0; }
int nvmlDeviceGetName(void *device, char *text, u32 size) {
    snprintf(text, size, "Stub"); return 0; }
int nvmlDeviceGetMinorNumber(void *device, u32 *minor) { *minor = 5 + index_of(device); return 0; }
int nvmlDeviceGetMemoryInfo_v2(void *device, memory *info) {
    if (info->version != 0x02000028) return UNSUPPORTED;
    info->total = 1000; info->reserved = 100; info->used = 300; info->free = 600; return 0; }
typedef struct { u32 gpu, memory; } rates;
int nvmlDeviceGetUtilizationRates(void *device, rates *found) {
    if (index_of(device) == 1) return UNSUPPORTED;
    found->gpu = 37; found->memory = 5; return 0; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, u32 *count, process *found) {
    if (index_of(device) == 1) { *count = 0; return 0; }
    if (*count < 2) { *count = 2; return SMALL; }
    found[0] = (process){41, 250, 0, 0}; found[1] = (process){42, ~0ULL, 0, 0};
    *count = 2; return 0; }
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, u32 *count, process *found) {
    if (*count < 1) { *count = 1; return SMALL; }
    found[0] = (process){1, 99, 0, 0}; *count = 1; return 0; }
int nvmlDeviceGetMigMode(void *device, u32 *now, u32 *later) {
    if (index_of(device) == 0) return UNSUPPORTED;
    *now = *later = 1; return 0; }
int nvmlEventSetCreate(void **set) { *set = &waiting; return 0; }
int nvmlDeviceRegisterEvents(void *device, u64 types, void *set) {
    listening += types == 8; return 0; }
int nvmlEventSetWait_v2(void *set, event *found, u32 milliseconds) {
    if (milliseconds != 0 || listening == 0 || waiting == 2) return TIMEOUT;
    memset(found, 0, sizeof *found);
    found->device = &devices[0]; found->type = 8; found->data = xids[waiting++]; return 0; }
int nvmlEventSetFree(void *set) { return 0; }
"""

QUESTIONS = """
import dataclasses, json, sys
from pathlib import Path
from metasearch.sandboxes.gpus.devices import DeviceFault
from metasearch.sandboxes.gpus.nvml import NvmlDevices
folder = Path(sys.argv[1])
bare = NvmlDevices(folder / "bare").found()[0].problem
devices = NvmlDevices(folder)
answers = {"bare": bare, "found": [dataclasses.asdict(device) for device in devices.found()]}
answers["usage"] = dataclasses.asdict(devices.usage("GPU-0"))
answers["silent"] = devices.usage("GPU-1").busy
answers["faults"] = [dict(devices.faults()), dict(devices.faults())]
try:
    devices.usage("GPU-7")
except DeviceFault as fault:
    answers["unknown"] = str(fault)
devices.close()
answers["again"] = len(devices.found())
print(json.dumps(answers))
"""


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a driver here")
def test_a_machine_without_a_driver_says_so() -> None:
    devices = NvmlDevices()
    with pytest.raises(PrerequisiteError, match=r"driver does not answer|nvidia-ml-py"):
        devices.found()
    devices.close()


def test_without_the_bindings_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(PrerequisiteError, match=r"pip install 'metasearch\[gpu\]'"):
        NvmlDevices().found()


@pytest.fixture
def answers(tmp_path: Path) -> dict[str, Any]:
    pytest.importorskip("pynvml", reason="needs nvidia-ml-py: pip install 'metasearch[gpu]'")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler for the driver that stands in for NVIDIA's")
    source = tmp_path / "nvml.c"
    source.write_text(DRIVER)
    library = tmp_path / "libnvidia-ml.so.1"
    for name in ("nvidia5", "nvidia6", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    done = subprocess.run(
        [sys.executable, "-c", QUESTIONS, str(tmp_path)],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


@pytest.mark.slow
def test_what_the_driver_says_is_understood(answers: dict[str, Any], tmp_path: Path) -> None:
    first, partitioned, lost = answers["found"]
    assert first == {
        "uuid": "GPU-0",
        "name": "Stub",
        "node": str(tmp_path / "nvidia5"),
        "memory": 900,
        "problem": "",
    }
    assert "MIG" in partitioned["problem"]
    assert "GPU is lost" in lost["problem"]
    assert answers["usage"] == {"memory": 300, "processes": {"41": 250, "42": None}, "busy": 0.37}
    assert answers["silent"] is None
    assert answers["faults"] == [{"GPU-0": "the driver reported XID 79"}, {}]
    assert answers["unknown"].startswith("NVML: ")
    assert answers["again"] == 3
    assert "nvidia5 is missing" in answers["bare"]
