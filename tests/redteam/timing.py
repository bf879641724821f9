"""Outrunning the clock, or making it lie."""

from __future__ import annotations

from tests.redteam.attack import CRASHED, HARMLESS, OUT_OF_MEMORY, TIMED_OUT, Attack, either

ATTACKS = [
    Attack(
        "stops every clock that it can patch, then sleeps",
        """
        import time
        sleep = time.sleep
        for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time",
                     "time_ns", "monotonic_ns", "perf_counter_ns"):
            setattr(time, name, lambda: 0)
        def solve(questions, bait):
            sleep(60)
        """,
        TIMED_OUT,
    ),
    Attack(
        "ignores all signals, catches all exceptions, never ends",
        """
        import signal
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        def solve(questions, bait):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
        """,
        TIMED_OUT,
    ),
    Attack(
        "takes its time while its value is being encoded",
        """
        class Endless(dict):
            def __iter__(self):
                while True:
                    yield "key"
        def solve(questions, bait):
            return Endless(key=1)
        """,
        TIMED_OUT,
    ),
    Attack(
        "takes its time while its exception is being shown",
        """
        import time
        class Slow(Exception):
            def __str__(self):
                time.sleep(60)
        def solve(questions, bait):
            raise Slow()
        """,
        TIMED_OUT,
    ),
    Attack(
        "takes its time while it is being imported",
        "import time\ntime.sleep(60)",
        TIMED_OUT,
    ),
    Attack(
        "answers at once and takes its time when the interpreter ends",
        """
        import atexit, threading, time
        from kit import honest
        class Late:
            def __del__(self):
                time.sleep(60)
        kept = Late()
        def solve(questions, bait):
            atexit.register(time.sleep, 60)
            threading.Thread(target=time.sleep, args=(60,)).start()
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "closes its channel and goes on in the dark",
        """
        import os, time
        def solve(questions, bait):
            os.closerange(0, 100)
            time.sleep(60)
        """,
        CRASHED,
    ),
    Attack(
        "waits for a child that waits for it",
        """
        import os, threading
        def solve(questions, bait):
            lock = threading.Lock()
            lock.acquire()
            if os.fork() == 0:
                lock.acquire()
            os.wait()
        """,
        TIMED_OUT,
    ),
    Attack(
        "a regular expression and a sum that take longer than the universe",
        """
        import re
        def solve(questions, bait):
            return [bool(re.match(r"(a+)+$", "a" * 40 + "b"))] * 10
        """,
        either(TIMED_OUT, OUT_OF_MEMORY),
    ),
    Attack(
        "sets alarms and timers for its runner",
        """
        import signal, time
        from kit import honest
        def solve(questions, bait):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            if len(questions) == 5 and questions[0] == 1.0:
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                return honest(questions)
            time.sleep(60)
        """,
        CRASHED,
        "two calls",
    ),
]
