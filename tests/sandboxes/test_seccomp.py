"""The filter of system calls, run through a small interpreter of its own language."""

from __future__ import annotations

import errno
import struct

import pytest

from metasearch.sandboxes.runner import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def verdict(program: bytes, number: int, architecture: int, argument: int = 0) -> int:
    """What the kernel would do with one system call."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, argument, 0, 0, 0, 0, 0)
    operations = list(struct.iter_unpack("=HBBI", program))
    accumulator = at = 0
    while True:
        code, if_true, if_false, operand = operations[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif code == 0x06:
            return int(operand)
        else:
            holds = {
                0x15: accumulator == operand,
                0x45: bool(accumulator & operand),
                0x35: accumulator >= operand,
            }[code]
            at += if_true if holds else if_false


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def refused(number: int) -> int:
    return 0x00050000 | number


def test_named_calls_are_refused_and_all_others_allowed(architecture: str) -> None:
    program = seccomp.build(architecture, accounted=True)
    audit = ARCHITECTURES[architecture]
    column = list(ARCHITECTURES).index(architecture)
    listed = {numbers[column] for numbers in seccomp._REFUSED.values()}
    special = {
        numbers[column]
        for numbers in (
            seccomp._CLONE3,
            seccomp._SOCKET,
            seccomp._SOCKETPAIR,
            seccomp._PERSONALITY,
        )
    }
    for number in range(600):
        expected = refused(errno.EPERM) if number in listed else ALLOW
        if number not in special:
            assert verdict(program, number, audit) == expected, number


def test_new_namespaces_are_refused(architecture: str) -> None:
    program = seccomp.build(architecture, accounted=True)
    audit = ARCHITECTURES[architecture]
    column = list(ARCHITECTURES).index(architecture)
    clone = seccomp._CLONE[column]
    assert verdict(program, clone, audit, 17) == ALLOW
    assert verdict(program, clone, audit, 0x3D0F00) == ALLOW  # A thread.
    for flag in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 1 << 30):
        assert verdict(program, clone, audit, flag | 17) == refused(errno.EPERM)
    assert verdict(program, seccomp._CLONE3[column], audit) == refused(errno.ENOSYS)


def test_only_local_and_internet_sockets_exist(architecture: str) -> None:
    program = seccomp.build(architecture, accounted=True)
    audit = ARCHITECTURES[architecture]
    column = list(ARCHITECTURES).index(architecture)
    for call in (seccomp._SOCKET[column], seccomp._SOCKETPAIR[column]):
        for family in range(64):
            expected = ALLOW if family in (1, 2, 10) else refused(errno.EAFNOSUPPORT)
            assert verdict(program, call, audit, family) == expected


def test_personalities_are_refused(architecture: str) -> None:
    program = seccomp.build(architecture, accounted=True)
    audit = ARCHITECTURES[architecture]
    call = seccomp._PERSONALITY[list(ARCHITECTURES).index(architecture)]
    assert verdict(program, call, audit, 0xFFFFFFFF) == ALLOW
    assert verdict(program, call, audit, 0x0400000) == refused(errno.EPERM)


def test_other_architectures_are_killed(architecture: str) -> None:
    program = seccomp.build(architecture, accounted=True)
    assert verdict(program, 0, 0x40000003) == KILL
    assert verdict(seccomp.build("x86_64", accounted=True), 0x40000000 | 165, 0xC000003E) == (
        refused(errno.ENOSYS)
    )


def test_memory_that_nobody_is_charged_for_is_refused(architecture: str) -> None:
    column = list(ARCHITECTURES).index(architecture)
    memfd = seccomp._UNACCOUNTED["memfd_create"][column]
    for accounted, expected in ((True, ALLOW), (False, refused(errno.EPERM))):
        program = seccomp.build(architecture, accounted=accounted)
        assert verdict(program, memfd, ARCHITECTURES[architecture]) == expected
