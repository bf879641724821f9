"""The filter of system calls that every candidate runs under, built by hand.

A list of what is refused, not of what is allowed: candidates may be any language's
programs. Refused are calls that widen the kernel's attack surface, reach other processes,
or make namespaces; most answer "not permitted", as they would for any ordinary user.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from metasearch.sandboxes.runner.linux import machine

# name: (x86_64, aarch64); None where the architecture has no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_kernel_syms": (177, None),
    "init_module": (175, 105),
    # Watches tell what the host does with the files it shows; and their number is limited for
    # each user of the host, who may be the one at the keyboard.
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "memfd_secret": (447, 447),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "_sysctl": (156, None),
    "sysfs": (139, None),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "ustat": (136, None),
    "vhangup": (153, 58),
}
# Memory that belongs to no process and to no file system: where nothing but resident sizes
# can be watched, it would escape the limit.
_UNACCOUNTED = {"memfd_create": (319, 279), "shmget": (29, 194)}
_CLONE, _CLONE3 = (56, 220), (435, 435)
_SOCKET, _SOCKETPAIR = (41, 198), (53, 199)
_PERSONALITY = (135, 92)
_NAMESPACE_FLAGS = 0x7E020080
"""CLONE_NEW* of mount, cgroup, uts, ipc, user, pid, net and time."""
_FAMILIES = (1, 2, 10)
"""AF_UNIX, AF_INET, AF_INET6. Others (AF_VSOCK, AF_ALG) are not bound to a network namespace."""
_X32 = 0x40000000
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_LOAD, _JUMP_EQUAL, _JUMP_SET, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16


def _refuse(number: int) -> int:
    return 0x00050000 | number


def _op(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)


def build(architecture: str, *, accounted: bool) -> bytes:
    """The filter as an array of BPF instructions.

    Args:
        architecture: ``x86_64`` or ``aarch64``.
        accounted: Whether a cgroup charges all memory to the candidate.
    """
    column = ("x86_64", "aarch64").index(architecture)
    refused = dict(_REFUSED) if accounted else _REFUSED | _UNACCOUNTED
    numbers = sorted(n for both in refused.values() if (n := both[column]) is not None)
    not_permitted = _op(_RETURN, _refuse(errno.EPERM))
    allow = _op(_RETURN, _ALLOW)
    program = [
        # Another architecture's calls have other numbers: nothing legitimate makes them.
        _op(_LOAD, _ARCHITECTURE_AT),
        _op(_JUMP_EQUAL, _AUDIT_ARCH[architecture], 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER_AT),
    ]
    if architecture == "x86_64":
        program += [_op(_JUMP_AT_LEAST, _X32, 0, 1), _op(_RETURN, _refuse(errno.ENOSYS))]
    for number in numbers:
        program += [_op(_JUMP_EQUAL, number, 0, 1), not_permitted]
    # libc falls back from clone3, whose flags a filter cannot see, to clone.
    program += [_op(_JUMP_EQUAL, _CLONE3[column], 0, 1), _op(_RETURN, _refuse(errno.ENOSYS))]
    program += [
        _op(_JUMP_EQUAL, _CLONE[column], 0, 4),
        _op(_LOAD, _FIRST_ARGUMENT_AT),
        _op(_JUMP_SET, _NAMESPACE_FLAGS, 0, 1),
        not_permitted,
        allow,
    ]
    for call in (_SOCKET[column], _SOCKETPAIR[column]):
        program += [
            _op(_JUMP_EQUAL, call, 0, 3 + len(_FAMILIES)),
            _op(_LOAD, _FIRST_ARGUMENT_AT),
            *(
                _op(_JUMP_EQUAL, family, len(_FAMILIES) - index, 0)
                for index, family in enumerate(_FAMILIES)
            ),
            _op(_RETURN, _refuse(errno.EAFNOSUPPORT)),
            allow,
        ]
    program += [
        _op(_JUMP_EQUAL, _PERSONALITY[column], 0, 5),
        _op(_LOAD, _FIRST_ARGUMENT_AT),
        _op(_JUMP_EQUAL, 0, 2, 0),
        _op(_JUMP_EQUAL, 0xFFFFFFFF, 1, 0),
        not_permitted,
        allow,
        allow,
    ]
    return b"".join(program)


class _Fprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_libc = ctypes.CDLL(None, use_errno=True)
_prepared: dict[bool, tuple[_Fprog, object]] = {}


def prepare() -> None:
    """Build the filters once, before candidates are forked."""
    for accounted in (False, True):
        code = build(machine(), accounted=accounted)
        memory = ctypes.create_string_buffer(code, len(code))
        _prepared[accounted] = (_Fprog(len(code) // 8, ctypes.addressof(memory)), memory)


def install(*, accounted: bool) -> None:
    """Put this process, and all it will start, under the filter for good.

    ``no_new_privs`` must be set.
    """
    fprog, _ = _prepared[accounted]
    if _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(fprog), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "seccomp: the kernel refuses the filter")
