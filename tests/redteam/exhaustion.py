"""Using up what others need: processes, memory, disk, descriptors, output."""

from __future__ import annotations

from metasearch.outcome import Outcome
from tests.redteam.attack import (
    CRASHED,
    HARMLESS,
    OUT_OF_MEMORY,
    OUTPUT_LIMIT,
    TIMED_OUT,
    Attack,
    either,
    lost,
)

ATTACKS = [
    Attack(
        "a fork bomb of shells",
        """
        import os, time
        from kit import honest
        def solve(questions, bait):
            os.system("b() { b | b & }; b 2>/dev/null; b 2>/dev/null; sleep 60")
            time.sleep(60)
        """,
        either(TIMED_OUT, CRASHED),
    ),
    Attack(
        "a thread bomb that never joins",
        """
        import threading, time
        def solve(questions, bait):
            while True:
                try:
                    threading.Thread(target=time.sleep, args=(60,)).start()
                except RuntimeError:
                    time.sleep(60)
        """,
        either(TIMED_OUT, CRASHED),
    ),
    Attack(
        "children that die and are never waited for",
        """
        import os
        from kit import honest
        def solve(questions, bait):
            try:
                while True:
                    if os.fork() == 0:
                        os._exit(0)
            except OSError:
                return honest(questions)
        """,
        either(HARMLESS, CRASHED),
    ),
    Attack(
        "a storm of orphans for process 1",
        """
        import os, time
        from kit import honest
        def solve(questions, bait):
            until = time.monotonic() + 0.3
            while time.monotonic() < until:
                try:
                    if os.fork() == 0:
                        if os.fork() == 0:
                            os._exit(0)
                        os._exit(0)
                    os.wait()
                except OSError:
                    pass
            return honest(questions)
        """,
        either(HARMLESS, CRASHED),
    ),
    Attack(
        "a daemon, forked twice, that ignores signals and outlives the answer",
        """
        import os, signal, sys
        from kit import honest
        def solve(questions, bait):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    for number in range(1, 32):
                        try:
                            signal.signal(number, signal.SIG_IGN)
                        except OSError:
                            pass
                    os.execvp("sleep", ["sleep", "86393"])
                os._exit(0)
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "shared memory of System V and of mmap, beyond the limit",
        """
        import mmap, time
        from kit import syscall
        def solve(questions, bait):
            kept = []
            while True:
                try:
                    key = syscall(29, 194, 0, 50_000_000, 0o1600)
                    address = syscall(30, 196, key, 0, 0)
                except OSError:
                    pass
                kept.append(mmap.mmap(-1, 50_000_000))
                kept[-1][:] = bytes(50_000_000)
        """,
        OUT_OF_MEMORY,
    ),
    Attack(
        "memory in files of /dev/shm and /tmp, beyond the limit of the disk",
        """
        import os
        from kit import got, honest
        def solve(questions, bait):
            written = 0
            for folder in ("/dev/shm", "/tmp", ".", "/var/tmp", "/run"):
                for number in range(64):
                    try:
                        with open(f"{folder}/redteam-{number}", "wb", 0) as file:
                            written += file.write(bytes(1_000_000))
                    except OSError:
                        break
            if written > 100_000_000:
                got(written)
            return honest(questions)
        """,
        # A disk of 16 MB in memory of 128 MB.
        HARMLESS,
    ),
    Attack(
        "makes itself the last that the kernel would kill, then takes all memory",
        """
        import time
        def solve(questions, bait):
            for value in ("-1000", "0"):
                try:
                    open("/proc/self/oom_score_adj", "w").write(value)
                except OSError:
                    pass
            kept = []
            while True:
                kept.append(bytearray(b"x" * 10_000_000))
        """,
        OUT_OF_MEMORY,
    ),
    Attack(
        "files that claim a petabyte, and a preallocated gigabyte",
        """
        import os
        from kit import attempt, honest
        def solve(questions, bait):
            fd = os.open("huge", os.O_RDWR | os.O_CREAT)
            attempt("truncate", lambda: os.truncate(fd, 10**15))
            attempt("fallocate", lambda: os.posix_fallocate(fd, 0, 10**9))
            attempt("seek", lambda: os.pwrite(fd, b"x", 10**12))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "all inodes, and folders nested thousands deep",
        """
        import os
        from kit import honest
        def solve(questions, bait):
            made = 0
            try:
                while made < 3000:
                    os.mkdir("d")
                    os.chdir("d")
                    made += 1
                while made < 1_000_000:
                    os.mkdir(str(made))
                    made += 1
            except OSError:
                pass
            return honest(questions) if made < 900_000 else []
        """,
        either(HARMLESS, lost(Outcome.OUTPUT_LIMIT, Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY)),
    ),
    Attack(
        "as many descriptors in flight as the user may have, so that nobody can send one",
        """
        import os, socket, time
        def solve(questions, bait):
            null, pairs = os.open("/dev/null", os.O_RDONLY), []
            try:
                while True:
                    pairs.append(socket.socketpair())
                    socket.send_fds(pairs[-1][0], [b"x"], [null] * 250)
            except OSError:
                time.sleep(60)
        """,
        TIMED_OUT,
    ),
    Attack(
        "all descriptors, full pipes and full sockets",
        """
        import fcntl, os, socket
        from kit import honest
        def solve(questions, bait):
            kept = []
            try:
                while True:
                    reader, writer = os.pipe()
                    kept.append((reader, writer))
                    os.set_blocking(writer, False)
                    os.write(writer, bytes(65536))
            except OSError:
                pass
            for reader, writer in kept:
                os.close(reader), os.close(writer)
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "sixteen processes that compute, with the limit on processor time taken away",
        """
        import os, resource, time
        def solve(questions, bait):
            _, hard = resource.getrlimit(resource.RLIMIT_CPU)
            resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
            for _ in range(4):
                try:
                    os.fork()
                except OSError:
                    pass
            while True:
                pass
        """,
        TIMED_OUT,
    ),
    Attack(
        "asks for real-time priority, a better share and all processors",
        """
        import os
        from kit import attempt, honest
        def solve(questions, bait):
            for policy in (os.SCHED_FIFO, os.SCHED_RR):
                attempt("policy", lambda: os.sched_setscheduler(0, policy, os.sched_param(50)))
            attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, -20))
            attempt("others", lambda: os.setpriority(os.PRIO_PROCESS, 1, -20))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "one huge power, which never lets go of the interpreter",
        """
        def solve(questions, bait):
            return 9 ** 9 ** 9 ** 9
        """,
        either(TIMED_OUT, OUT_OF_MEMORY),
    ),
    Attack(
        "recursion with the limit taken away, until the C stack ends",
        """
        import sys, threading
        def solve(questions, bait):
            sys.setrecursionlimit(10**9)
            class Deep:
                def __repr__(self): return repr(self)
            repr(Deep())
        """,
        lost(Outcome.CRASHED, Outcome.OUT_OF_MEMORY),
    ),
    Attack(
        "goes on printing from a thread after its answer",
        """
        import os, threading
        from kit import honest
        def flood():
            while True:
                os.write(2, b"x" * 65536)
        def solve(questions, bait):
            if threading.active_count() > 1:
                threading.Event().wait()
            threading.Thread(target=flood, daemon=True).start()
            return honest(questions)
        """,
        OUTPUT_LIMIT,
        "two calls",
    ),
    Attack(
        "a command that floods",
        """
        import json
        from kit import honest
        def solve(questions, bait):
            import os
            os.makedirs("out")
            os.symlink("/dev/zero", "out/answers.json")
        """,
        # Its memory ends before its output begins.
        lost(Outcome.OUT_OF_MEMORY, Outcome.OUTPUT_LIMIT, Outcome.TIMED_OUT, Outcome.INVALID),
        "command",
    ),
    Attack(
        "an answer of ten million bytes",
        "def solve(questions, bait): return b'x' * 10_000_000",
        OUTPUT_LIMIT,
    ),
    Attack(
        "turns down every limit of process 1, then answers",
        """
        import resource
        from kit import honest
        def solve(questions, bait):
            for name in dir(resource):
                if name.startswith("RLIMIT_"):
                    try:
                        resource.prlimit(1, getattr(resource, name), (0, 0))
                    except (OSError, ValueError):
                        pass
            return honest(questions)
        """,
        either(HARMLESS, CRASHED),
    ),
]
