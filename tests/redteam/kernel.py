"""Asking the kernel for what a candidate may not have. (Most refused calls: see conformance.)"""

from __future__ import annotations

from metasearch.outcome import Outcome
from tests.redteam.attack import CRASHED, HARMLESS, Attack, either, lost

ATTACKS = [
    Attack(
        "traces and reads process 1 and its own parent",
        """
        import ctypes, os
        from kit import attempt, honest, syscall
        def solve(questions, bait):
            for pid in {1, os.getppid(), bait["pid"]}:
                for request in (16, 0x4206, 3):  # ATTACH, SEIZE, PEEKUSER
                    attempt("ptrace", lambda: syscall(101, 117, request, pid, 0, 0))
                attempt("readv", lambda: syscall(310, 270, pid, 0, 0, 0, 0, 0))
                attempt("writev", lambda: syscall(311, 271, pid, 0, 0, 0, 0, 0))
                attempt("kcmp", lambda: syscall(312, 272, os.getpid(), pid, 1, 0, 0))
                attempt("madvise", lambda: syscall(440, 440, pid, 0, 0, 0, 0))
            for name in ("mem", "syscall", "auxv", "maps"):
                attempt(name, lambda: open("/proc/1/" + name, "rb").read(1))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "takes descriptors out of process 1",
        """
        import os
        from kit import attempt, honest, syscall
        def solve(questions, bait):
            one = os.pidfd_open(1)
            for number in range(8):
                attempt("getfd", lambda: syscall(438, 438, one, number, 0))
                attempt("open", lambda: os.open(f"/proc/1/fd/{number}", os.O_RDWR))
            attempt("list", lambda: os.listdir("/proc/1/fd"))
            attempt("setns", lambda: syscall(308, 268, one, 0x20000000))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "mounts, moves and unmounts, by the old calls and the new",
        """
        import ctypes, os
        from kit import attempt, honest, syscall
        def solve(questions, bait):
            libc = ctypes.CDLL(None, use_errno=True)
            def mount(*arguments):
                if libc.mount(*arguments) != 0:
                    raise OSError(ctypes.get_errno(), "mount")
            attempt("tmpfs", lambda: mount(b"x", b"/tmp", b"tmpfs", 0, None))
            attempt("bind", lambda: mount(b"/", b"/tmp", None, 4096, None))
            attempt("remount", lambda: mount(None, b"/", None, 32, None))
            attempt("proc", lambda: mount(b"proc", b"/proc", b"proc", 0, None))
            attempt("umount", lambda: syscall(166, 39, id(b"/proc") + 32, 2))
            attempt("fsopen", lambda: syscall(430, 430, id(b"tmpfs") + 32, 0))
            attempt("open_tree", lambda: syscall(428, 428, -100, id(b"/") + 32, 1))
            attempt("move_mount", lambda: syscall(429, 429, -100, 0, -100, 0, 0))
            attempt("mount_setattr", lambda: syscall(442, 442, -100, 0, 0, 0, 0))
            attempt("chroot", lambda: os.chroot("/tmp"))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "makes namespaces of its own, in which it would be root",
        """
        import ctypes, os
        from kit import attempt, got, honest, syscall
        def solve(questions, bait):
            for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x80, 0x02000000):
                attempt(hex(flag), lambda: syscall(272, 97, flag))
                def clone():
                    if syscall(56, 220, flag | 17, 0, 0, 0, 0) == 0:
                        os._exit(0)
                attempt("clone", clone)
            arguments = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)
            attempt("clone3", lambda: syscall(435, 435, ctypes.addressof(arguments), 88))
            for name, text in (("uid_map", "0 0 1"), ("setgroups", "allow"), ("gid_map", "0 0 1")):
                def write():
                    with open("/proc/self/" + name, "w") as file:
                        file.write(text)
                attempt(name, write)
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "uses the weakest parts of kernels: bpf, io_uring, userfaultfd, keys, perf",
        """
        import ctypes
        from kit import attempt, honest, syscall
        def solve(questions, bait):
            room = (ctypes.c_uint64 * 64)()
            at = ctypes.addressof(room)
            attempt("bpf", lambda: syscall(321, 280, 0, at, 48))
            attempt("io_uring", lambda: syscall(425, 425, 8, at))
            attempt("userfaultfd", lambda: syscall(323, 282, 1))
            attempt("keyctl", lambda: syscall(250, 219, 0, -3, 1))
            kind, name = id(b"user") + 32, id(b"x") + 32
            attempt("add_key", lambda: syscall(248, 217, kind, name, at, 8, -3))
            attempt("perf", lambda: syscall(298, 241, at, 0, -1, -1, 0))
            attempt("handle", lambda: syscall(304, 265, -100, at, 0))
            attempt("personality", lambda: syscall(135, 92, 0x0040000))
            attempt("migrate", lambda: syscall(256, 238, 1, 64, at, at))
            attempt("secret", lambda: syscall(447, 447, 0))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "makes system calls of another architecture (int 0x80 and x32) around the filter",
        """
        import ctypes, mmap, os, platform, signal
        from kit import attempt, got, honest, syscall
        def solve(questions, bait):
            if platform.machine() == "x86_64":
                attempt("x32", lambda: syscall(0x40000000 | 39, 0))
                child = os.fork()
                if child == 0:
                    page = mmap.mmap(-1, 4096, prot=7)
                    page.write(bytes.fromhex("b814000000cd80c3"))  # getpid of i386
                    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
                    ctypes.CFUNCTYPE(ctypes.c_int)(address)()
                    os._exit(0)
                if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGSYS:
                    got("a call of i386")
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "runs set-user-id programs, makes one, and asks for capabilities",
        """
        import os, subprocess
        from kit import attempt, got, honest, syscall
        def solve(questions, bait):
            for line in ("su -c id", "mount", "newgrp", "passwd -S", "sudo -n id"):
                words = line.split()
                try:
                    done = subprocess.run(words, capture_output=True, stdin=-3, timeout=0.1)
                    if b"uid=0" in done.stdout:
                        got(words)
                except (OSError, subprocess.TimeoutExpired):
                    pass
            for action in (os.setuid, os.setgid, os.seteuid):
                attempt("become root", lambda: action(0))
            attempt("groups", lambda: os.setgroups([0, 4, 999]))
            attempt("chown", lambda: os.chown("kit.py", 0, 0))
            status = dict(line.split(":", 1) for line in open("/proc/self/status"))
            if any(int(status[n], 16) for n in ("CapPrm", "CapEff", "CapAmb", "CapInh")):
                got(status)
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "opens the devices of the host",
        """
        import glob, os
        from kit import attempt, honest
        def solve(questions, bait):
            names = ["mem", "kmsg", "kvm", "fuse", "net/tun", "vhost-net", "loop-control", "vda",
                     "sda", "nvme0n1", "uinput", "snapshot", "cpu_dma_latency", "autofs", "hpet",
                     "btrfs-control", "userfaultfd", "dri/card0", "rtc0", "tty", "console", "tty1"]
            for path in [f"/dev/{name}" for name in names] + glob.glob("/dev/nvidia*"):
                for flags in (os.O_RDONLY, os.O_WRONLY):
                    attempt(path, lambda: os.open(path, flags))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "changes settings of the kernel below /proc and /sys",
        """
        import os
        from kit import got, honest
        def solve(questions, bait):
            for top in ("/proc/sys", "/sys/kernel", "/sys/fs/cgroup", "/sys/module", "/proc/irq"):
                for root, _, names in os.walk(top):
                    for name in names:
                        path = os.path.join(root, name)
                        try:
                            with open(path, "rb+", 0) as file:
                                file.write(file.read(4096) or b"1")
                            got(path)
                        except OSError:
                            pass
            for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/mtrr"):
                try:
                    open(path, "w").write("b")
                    got(path)
                except OSError:
                    pass
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "changes the machine's clock, name and loaded modules; swaps, reboots",
        """
        import ctypes, socket, time
        from kit import attempt, honest, syscall
        def solve(questions, bait):
            attempt("clock", lambda: time.clock_settime(time.CLOCK_REALTIME, 0))
            attempt("timex", lambda: syscall(159, 171, 0))
            attempt("settimeofday", lambda: syscall(164, 170, 0, 0))
            attempt("name", lambda: socket.sethostname("owned"))
            attempt("domain", lambda: syscall(171, 162, id(b"owned") + 32, 5))
            attempt("module", lambda: syscall(175, 105, 0, 0, id(b"") + 32))
            attempt("kexec", lambda: syscall(246, 104, 0, 0, 0, 0))
            attempt("swap", lambda: syscall(167, 224, id(b"/tmp/x") + 32, 0))
            attempt("reboot", lambda: syscall(169, 142, 0xFEE1DEAD, 672274793, 0x1234567))
            attempt("log", lambda: syscall(103, 116, 3, id(bytes(99)) + 32, 99))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "types commands into the terminal that the person runs metasearch from",
        """
        import fcntl, os, termios
        from kit import attempt, honest
        def solve(questions, bait):
            attempt("tty", lambda: os.open("/dev/tty", os.O_RDWR))
            for fd in range(3):
                attempt("inject", lambda: fcntl.ioctl(fd, termios.TIOCSTI, b"x"))
                attempt("acquire", lambda: fcntl.ioctl(fd, termios.TIOCSCTTY, 1))
                attempt("selection", lambda: fcntl.ioctl(fd, 0x541C, b"\\x02"))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "kills, stops and signals all that it can see, and the worker by its number",
        """
        import os, signal
        from kit import honest
        def solve(questions, bait):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1, signal.SIGKILL,
                           signal.SIGSTOP):
                for target in (1, os.getppid(), bait["pid"]):
                    if target != os.getpid():
                        try:
                            os.kill(target, number)
                        except OSError:
                            pass
            try:
                os.kill(-1, signal.SIGTERM)
            except OSError:
                pass
            return honest(questions)
        """,
        either(HARMLESS, CRASHED),
    ),
    Attack(
        "stops its process group, the runner with it",
        """
        import os, signal
        def solve(questions, bait):
            os.kill(-1, signal.SIGSTOP)
            os.kill(0, signal.SIGSTOP)
        """,
        lost(Outcome.TIMED_OUT, Outcome.CRASHED),
    ),
    Attack(
        "executes itself anew, from memory that has no file",
        """
        import os
        def solve(questions, bait):
            fd = os.memfd_create("me")
            os.write(fd, b"#!/bin/sh\\nexec sleep 60\\n")
            os.execve(fd, ["me"], {})
        """,
        lost(Outcome.TIMED_OUT, Outcome.CRASHED),
    ),
]
