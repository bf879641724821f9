"""The system calls that Python has no name for: namespaces, mounts, capabilities."""

from __future__ import annotations

import ctypes
import os
import signal

CLONE_PIDFD = 0x1000
CLONE_NEWNS = 0x20000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
FRESH = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
"""Everything a candidate gets of its own."""

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC = 1, 2, 4, 8, 4096, 16384

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_SYS_CLONE = {"x86_64": 56, "aarch64": 220}

_libc = ctypes.CDLL(None, use_errno=True)
# Made here, before the forks: what a fork touches first it has to copy.
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_CAPABILITY_HEADER = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def machine() -> str:
    """The processor architecture, as the kernel names it."""
    return os.uname().machine


def clone(flags: int) -> tuple[int, int]:
    """Fork into fresh namespaces; (0, -1) in the child, (pid, pidfd) in the parent.

    Unlike ``os.fork`` this creates the namespaces in the same call. libc does not hear of
    the new process, so the child does little more than set things up and ``os.fork``.
    """
    number = _SYS_CLONE[machine()]
    pidfd = ctypes.c_int(-1)
    arguments = (ctypes.c_ulong(flags | CLONE_PIDFD | signal.SIGCHLD), None)
    pid = _libc.syscall(
        ctypes.c_long(number), *arguments, ctypes.byref(pidfd), None, ctypes.c_ulong(0)
    )
    return _checked(pid, "clone"), pidfd.value


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """``mount(2)``."""
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()
    )
    _checked(result, f"mount {kind} on {target}")


def _prctl(option: int, *arguments: int) -> None:
    if _libc.prctl(option, *(*arguments, 0, 0, 0, 0)[:4]) < 0:
        _checked(-1, f"prctl {option}")


def set_dumpable(dumpable: bool) -> None:
    """Whether other processes of this user may look into this one through /proc."""
    _prctl(_PR_SET_DUMPABLE, int(dumpable))


def die_with_parent() -> None:
    """Be killed when the process that forked this one ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def forbid_new_privileges() -> None:
    """No program started from here on can gain rights by set-user-id bits or file caps."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Give up every capability. With ``no_new_privs`` set, for good."""
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _checked(_libc.capset(_CAPABILITY_HEADER, _NO_CAPABILITIES), "capset")


def become(user: int) -> None:
    """Turn from root into an ordinary user for good."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    # A change of user makes a process undumpable, and then it cannot write its own id maps.
    set_dumpable(True)


def map_user(inside: int, outside_user: int, outside_group: int) -> None:
    """Make this fresh user namespace know one user and one group."""
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {outside_user} 1"),
        ("gid_map", f"{inside} {outside_group} 1"),
    ):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, content.encode())
        finally:
            os.close(descriptor)
