"""The warm parent: imports what candidates share, once, and forks a keeper for each.

Runs in its own root, without network and without rights, and never runs a candidate's
code. It also forks branches of itself: each sits in a control group, so that candidates
forked there are in it from the start (moving a process makes the whole machine wait).
Also the entry of a cold start, where the process is the keeper itself.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import site
import socket
import sys
import threading
from typing import Any, NoReturn

from metasearch.sandboxes import wire
from metasearch.sandboxes.runner import keeper, linux, program, seccomp
from metasearch.sandboxes.runner.owner import Passed

MAX_MESSAGE = 65536


def main() -> None:
    """Started as ``python -c``, with the number of its socket as the only argument."""
    control = socket.socket(fileno=int(sys.argv[1]))
    message, descriptors = _receive(control)
    setup = message["setup"]
    if setup["root"]:
        _become_ordinary(setup["user"])
    linux.die_with_parent()
    sys.path += setup["packages"]
    for path in (os.path.dirname(os.__file__), *setup["packages"], __file__):
        if not os.access(path, os.R_OK):
            _reply(control, {"unreadable": path})
            return
    for name in setup["preload"]:
        try:
            importlib.import_module(name)
        except BaseException as error:
            # Whatever a package does when it is imported; the owner says it to the person.
            _reply(control, {"error": f"{type(error).__name__}: {error}"[:2000], "module": name})
            return
    site.setquit()
    room = (os.getuid(), os.getgid(), setup["below_tmp"])
    keeper.limit_for_all()
    seccomp.prepare()
    if setup["cold"]:
        order = keeper.Order(setup["order"])
        program.prepare(order.work)
        _be_the_keeper(control, order, descriptors)
    program.prepare(keeper.WORK)
    # A fork of a process that has initialised CUDA cannot use it.
    if _has_threads() or _has_open(setup["nodes"]):
        _reply(control, {"threads": True})
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    gc.disable()
    _fork_on_request(control, room)


def _fork_on_request(control: socket.socket, room: tuple[int, int, list[str]]) -> NoReturn:
    pidfd = os.pidfd_open(os.getpid())
    _reply(control, {"ready": True}, pidfd)
    os.close(pidfd)
    while True:
        message, descriptors = _receive(control)
        if "branch" in message:
            if os.fork() == 0:
                control.close()
                linux.die_with_parent()
                _fork_on_request(socket.socket(fileno=descriptors[0]), room)
        else:
            _fork_keeper(control, keeper.Order(message["order"]), descriptors, room)
        for descriptor in descriptors:
            os.close(descriptor)


def _fork_keeper(
    parent: socket.socket,
    order: keeper.Order,
    descriptors: list[int],
    room: tuple[int, int, list[str]],
) -> None:
    control = socket.socket(fileno=os.dup(descriptors[0]))
    with control:
        try:
            pid, pidfd = linux.clone(linux.FRESH)
        except OSError as error:
            _reply(control, {"unmade": str(error)})
            return
        if pid == 0:
            try:
                parent.close()
                keeper.make_room(order, *room)
            except BaseException as error:
                _reply(control, {"unmade": str(error)})
                os._exit(1)
            keeper.keep(order, Passed(control, descriptors[1:]))
        # An owner that has let go of this sandbox already is seen by the keeper too.
        with contextlib.suppress(BrokenPipeError):
            _reply(control, {"started": True}, pidfd)
        os.close(pidfd)


def _has_threads() -> bool:
    return threading.active_count() > 1 or len(os.listdir("/proc/self/task")) > 1


def _has_open(nodes: list[str]) -> bool:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    return not found.isdisjoint(nodes)


def _be_the_keeper(control: socket.socket, order: keeper.Order, descriptors: list[int]) -> NoReturn:
    pidfd = os.pidfd_open(os.getpid())
    _reply(control, {"started": True}, pidfd)
    os.close(pidfd)
    keeper.keep(order, Passed(control, descriptors))


def _become_ordinary(user: int) -> None:
    """As root: a fresh /proc that nothing covers, then no rights any more."""
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    linux.become(user)


def _receive(control: socket.socket) -> tuple[Any, list[int]]:
    reader, received = wire.FrameReader(), []
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, MAX_MESSAGE, 8)
        received += descriptors
        if not data:
            os._exit(0)
        for message in reader.feed(data):
            return message, received


def _reply(control: socket.socket, message: dict[str, Any], *descriptors: int) -> None:
    socket.send_fds(control, [wire.encode(message)], list(descriptors))


if __name__ == "__main__":
    main()
