"""Processes in a bubblewrap root: starting one, and saying why it would not start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

from metasearch.errors import PrerequisiteError
from metasearch.sandboxes import rootfs, wire
from metasearch.sandboxes.base import SandboxSpec
from metasearch.sandboxes.gpus import shown

START_SECONDS = 120.0
"""How long a warm parent, imports included, may take to come up."""

_MAX_COMPLAINT = 4000
_NO_NAMESPACES = re.compile(
    r"loopback: Failed RTM_NEWADDR"
    r"|(namespace|uid map|setting up|loopback).*(denied|not permitted|not allow|No space|ENOSPC)"
)
_SYSTEM_SETTINGS = Path("/proc/sys")


def bubblewrap() -> str:
    """Path of bubblewrap's executable.

    Raises:
        PrerequisiteError: If it is not installed.
    """
    path = shutil.which("bwrap")
    if path is None:
        raise PrerequisiteError(
            "bubblewrap (bwrap) is not installed, so candidates cannot be isolated. "
            "Install it with 'apt-get install bubblewrap' or your distribution's command."
        )
    return path


class Inside:
    """A process started in a bubblewrap root, and our end of its socket."""

    def __init__(self, spec: SandboxSpec, *, cold: dict[str, Any] | None) -> None:
        kind = socket.SOCK_SEQPACKET if cold is None else socket.SOCK_STREAM
        executable = bubblewrap()
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, kind)
        self._complaints = os.memfd_create("bubblewrap")
        passwd, group = _pipe_of(rootfs.PASSWD), _pipe_of(rootfs.GROUP)
        as_root = rootfs.may_become_another()
        try:
            line = rootfs.command(
                executable,
                as_root=as_root,
                paths=spec.paths,
                hidden=spec.hidden,
                devices=spec.devices,
                threads=1,
                passwd=passwd,
                group=group,
                room=None if cold is None else cold["disk"],
            )
            self._process = subprocess.Popen(
                [*line, "--", *rootfs.python(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self._complaints,
                stderr=self._complaints,
                pass_fds=(theirs.fileno(), passwd, group),
                # Ctrl-C in the terminal is for the owner to act on.
                start_new_session=True,
                env={},
            )
        except BaseException:
            self.socket.close()
            os.close(self._complaints)
            raise
        finally:
            theirs.close()
            os.close(passwd)
            os.close(group)
        self.setup = wire.encode(
            {
                "setup": {
                    "root": as_root,
                    "user": rootfs.OUTSIDE_USER,
                    "packages": rootfs.packages(),
                    "below_tmp": rootfs.below_tmp(spec.paths),
                    "preload": list(spec.preload),
                    "nodes": [inside for _, inside in shown.nodes(spec.devices)],
                    "cold": cold is not None,
                    "order": cold or {},
                }
            }
        )

    async def complaint(self) -> PrerequisiteError:
        """Why it ended before it was ready."""
        await self._gone()
        text = os.pread(self._complaints, _MAX_COMPLAINT, 0).decode("utf-8", "replace").strip()
        return explain(text or f"it ended with status {self._process.returncode}")

    async def end(self) -> None:
        """Kill it, with everything inside, and wait until bubblewrap is gone."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._gone()
        if self._complaints >= 0:
            os.close(self._complaints)
            self._complaints = -1

    async def _gone(self) -> None:
        if self._process.poll() is None:
            descriptor = os.pidfd_open(self._process.pid)
            try:
                await readable(descriptor)
            finally:
                os.close(descriptor)
            self._process.wait()


async def readable(descriptor: int) -> None:
    """Wait until there is something to read (of a pidfd: until the process has ended)."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def explain(complaint: str, settings: Path = _SYSTEM_SETTINGS) -> PrerequisiteError:
    """Why bubblewrap cannot work here, with the remedy."""
    if _NO_NAMESPACES.search(complaint):
        remedy = _namespace_remedy(settings)
    elif "Permission denied" in complaint or "Can't find source path" in complaint:
        remedy = "Make that path readable for other users, or run as the user that owns it."
    else:
        remedy = "Try 'bwrap --ro-bind / / --unshare-all true' to see more."
    return PrerequisiteError(f"bubblewrap cannot make a sandbox here: {complaint}\n{remedy}")


_SWITCHES = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("user/max_user_namespaces", "0", "15000"),
)


def _namespace_remedy(settings: Path) -> str:
    for name, bad, good in _SWITCHES:
        switch = settings / name
        if switch.exists() and switch.read_text().strip() == bad:
            key = name.replace("/", ".")
            return (
                f"This kernel forbids unprivileged user namespaces ({key} is {bad}). "
                f"Allow them with 'sudo sysctl -w {key}={good}'."
            )
    return (
        "This machine forbids namespaces. Inside a container, start it with permission for "
        "them ('docker run --privileged', or --security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined with --cap-add SYS_ADMIN --cap-add NET_ADMIN)."
    )


def check_setup(message: dict[str, Any]) -> None:
    """Raise what a process inside has found to be missing there."""
    if "unreadable" in message:
        path = message["unreadable"]
        raise PrerequisiteError(
            f"Candidates run as an ordinary user, who cannot read {path}. "
            f"Let others read it ('chmod -R o+rX {path}'), or run metasearch as its owner."
        )
    if "module" in message:
        name, error = message["module"], message["error"]
        raise PrerequisiteError(
            f"sandbox.preload names {name!r}, which cannot be imported inside a sandbox: {error}\n"
            "Install it into the environment that metasearch runs in ('pip install ...')."
        )


def _pipe_of(content: bytes) -> int:
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    return reader
