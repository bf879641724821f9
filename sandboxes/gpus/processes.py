"""Which processes on a device are candidates, and whose."""

from __future__ import annotations

from pathlib import Path


def is_isolated(pid: int) -> bool:
    """Whether a process is in another process namespace than ours, as all candidates are."""
    status = _file(pid, "status")
    for line in status.splitlines():
        if line.startswith("NSpid:"):
            return len(line.split()) > 2
    return False


def descends_from(pid: int, ancestor: int) -> bool:
    """Whether a process was started by another one, directly or not, or is that one.

    What a candidate starts cannot get away from under its sandbox's first process.
    """
    while pid > 1 and pid != ancestor:
        # The name stands in brackets and may hold anything; state and parent follow it.
        fields = _file(pid, "stat").rpartition(")")[2].split()
        pid = int(fields[1]) if len(fields) > 1 else 0
    return pid == ancestor


def name_of(pid: int) -> str:
    """For messages."""
    return f"{pid} ({_file(pid, 'comm').strip() or 'unknown'})"


def _file(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text("utf-8", "replace")
    except OSError:
        return ""
