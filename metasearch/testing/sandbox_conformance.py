"""What every sandbox provider must do, and what no candidate may get away with.

Subclass :class:`SandboxConformance` in a test module, with a fixture ``provider`` that
yields a checked provider; pytest and pytest-asyncio run the rest.

What is not tested, because it cannot hold: that a candidate tells the truth about its own
output. It shares its process with the code that sends its values, so it can return
anything, by any means; the evaluator measures what was returned. What it can never do is
fake an outcome that is judged from outside (that it ran in time, within its memory, without
crashing), reach anything outside, or touch the next candidate.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import textwrap

import numpy

from metasearch.candidate import Outcome
from metasearch.errors import CandidateFailure
from metasearch.sandboxes.base import SandboxProvider, Value
from metasearch.testing.hostile_conformance import Attacks, Isolation
from metasearch.testing.sandboxed import MEGABYTE, SPEC, failure, holding, returned, spec


class Values:
    """Plain data in and out."""

    async def test_arguments_and_value_cross_unchanged(self, provider: SandboxProvider) -> None:
        value: Value = {
            "none": None,
            "flags": [True, False],
            "numbers": [0, -1, 2**70, 0.1, 1e-300],
            "text": "gr\u00fc\u00df dich \0 \U0001f600",
            "bytes": b"\x00\xff" * 1000,
            "nested": {"a": [{"b": []}, {}]},
            "$b": 0,
            "looks special": {"$b": 0},
        }
        async with holding(provider, "def echo(value, *, again): return [value, again]") as box:
            assert await box.call("program:echo", value, again=value) == [value, value]

    async def test_special_floats_are_values(self, provider: SandboxProvider) -> None:
        source = "def main(): return [float('nan'), float('inf'), -float('inf'), -0.0]"
        nan, inf, minus, zero = await returned(provider, source)
        assert math.isnan(nan)
        assert (inf, minus) == (math.inf, -math.inf)
        assert math.copysign(1, zero) == -1

    async def test_arrays_cross_with_type_and_shape(self, provider: SandboxProvider) -> None:
        source = """
        import numpy as np
        def main(given):
            given[0, 0] = 7
            return [given.T, np.array(2.5), np.zeros((0, 3), "int8"), np.arange(3) > 1,
                    np.array([1 + 2j]), np.float32(0.5), np.array([np.nan])]
        """
        given = numpy.arange(6, dtype=">i4").reshape(2, 3)
        async with holding(provider, source) as sandbox:
            turned, scalar, empty, flags, complex_, number, nan = await sandbox.call(
                "program:main", given
            )
        assert turned.tolist() == [[7, 3], [1, 4], [2, 5]]
        assert turned.dtype == ">i4"
        assert (scalar.shape, float(scalar)) == ((), 2.5)
        assert (empty.shape, empty.dtype) == ((0, 3), numpy.int8)
        assert flags.tolist() == [False, False, True]
        assert complex_[0] == 1 + 2j
        assert number == 0.5
        assert math.isnan(nan[0])
        turned[0, 0] = 1  # The receiver's own, to write in.

    async def test_state_lasts_from_call_to_call(self, provider: SandboxProvider) -> None:
        source = "n = 0\ndef count():\n    global n\n    n += 1\n    return n"
        async with holding(provider, source) as sandbox:
            assert [await sandbox.call("program:count") for _ in range(3)] == [1, 2, 3]

    async def test_files_in_folders_are_modules(self, provider: SandboxProvider) -> None:
        async with provider.open(SPEC) as sandbox:
            await sandbox.write({"solver/core.py": b"BASE = 40\n", "solver/__init__.py": b""})
            await sandbox.write(
                {"harness.py": b"from solver import core\ndef f(x): return x + core.BASE"}
            )
            assert await sandbox.call("harness:f", 2) == 42
            await sandbox.write({"late.py": b"def f(): return 'late'"})
            assert await sandbox.call("late:f") == "late"

    async def test_printed_text_is_kept_apart(self, provider: SandboxProvider) -> None:
        source = """
        import os, sys
        def main():
            print("to out \\x1b[31m<b>")
            print("to err", file=sys.stderr)
            os.write(1, b"raw \\xff\\n")
            return 1
        """
        async with holding(provider, source) as sandbox:
            assert await sandbox.call("program:main") == 1
            assert sandbox.stdout == "to out \ufffd[31m<b>\nraw \ufffd\n"
            assert sandbox.stderr == "to err\n"

    async def test_printed_text_loses_its_beginning(self, provider: SandboxProvider) -> None:
        source = "def main():\n    print('a' * 300_000)\n    print('the end')"
        async with holding(provider, source) as sandbox:
            await sandbox.call("program:main")
            assert len(sandbox.stdout) == 64 * 1024
            assert sandbox.stdout.endswith("a\nthe end\n")

    async def test_chance_starts_from_a_fixed_state(self, provider: SandboxProvider) -> None:
        source = "import random\ndef main(): return [random.random(), list({'a', 'b', 'c', 'd'})]"
        assert await returned(provider, source) == await returned(provider, source)

    async def test_it_says_in_one_line_where_candidates_run(
        self, provider: SandboxProvider
    ) -> None:
        said = provider.describe(SPEC)
        assert said.startswith(provider.name)
        assert said.isprintable()


class Commands:
    """``run`` and ``read``."""

    async def test_command_with_input_output_and_code(self, provider: SandboxProvider) -> None:
        async with provider.open(SPEC) as sandbox:
            await sandbox.write({"in/put.txt": b"from a file\n"})
            done = await sandbox.run(
                ["sh", "-c", "cat in/put.txt -; echo problem >&2; exit 3"], stdin=b"from stdin\n"
            )
        assert (done.exit_code, done.stdout) == (3, b"from a file\nfrom stdin\n")
        assert done.stderr == b"problem\n"
        assert 0 < done.seconds < 10

    async def test_large_input_and_output(self, provider: SandboxProvider) -> None:
        content = os.urandom(3 * MEGABYTE)
        async with provider.open(SPEC) as sandbox:
            assert (await sandbox.run(["cat"], stdin=content)).stdout == content

    async def test_input_that_nobody_reads(self, provider: SandboxProvider) -> None:
        async with provider.open(SPEC) as sandbox:
            done = await sandbox.run(["true"], stdin=b"x" * MEGABYTE)
        assert done.exit_code == 0

    async def test_unknown_command_is_a_value(self, provider: SandboxProvider) -> None:
        async with provider.open(SPEC) as sandbox:
            done = await sandbox.run(["no-such-command"])
            assert done.exit_code == 127
            assert b"no-such-command" in done.stderr
            assert (await sandbox.run(["sh", "-c", "kill -9 $$"])).exit_code == -9

    async def test_interpreter_finds_the_packages(self, provider: SandboxProvider) -> None:
        async with provider.open(SPEC) as sandbox:
            done = await sandbox.run(["python3", "-c", "import numpy; print(numpy.arange(3))"])
        assert done.stdout == b"[0 1 2]\n", done.stderr

    async def test_command_over_its_time(self, provider: SandboxProvider) -> None:
        async with provider.open(spec(seconds=0.5)) as sandbox:
            try:
                await sandbox.run(["sleep", "60"])
            except CandidateFailure as caught:
                assert caught.outcome is Outcome.TIMED_OUT
            else:
                raise AssertionError("it ran on")

    async def test_command_that_floods(self, provider: SandboxProvider) -> None:
        async with provider.open(SPEC) as sandbox:
            try:
                await sandbox.run(["sh", "-c", "yes"])
            except CandidateFailure as caught:
                assert caught.outcome is Outcome.OUTPUT_LIMIT
            else:
                raise AssertionError("it flooded on")

    async def test_files_are_read_back(self, provider: SandboxProvider) -> None:
        async with provider.open(SPEC) as sandbox:
            await sandbox.run(["sh", "-c", "mkdir -p a/b && printf result > a/b/c.txt"])
            assert await sandbox.read("a/b/c.txt") == b"result"

    async def test_only_plain_files_are_read_back(self, provider: SandboxProvider) -> None:
        script = """
        ln -s /etc/passwd link; ln -s /etc etc; mkfifo fifo; mkdir folder
        ln -s /proc/1/fd/3 fd; truncate -s 10M large; python3 -c "
        import socket; socket.socket(socket.AF_UNIX).bind('socket')"
        """
        async with provider.open(SPEC) as sandbox:
            await sandbox.run(["sh", "-c", textwrap.dedent(script)])
            names = ["link", "etc/passwd", "fifo", "folder", "fd", "socket", "missing", "large"]
            for name in names:
                try:
                    await sandbox.read(name)
                except CandidateFailure as caught:
                    expected = Outcome.OUTPUT_LIMIT if name == "large" else Outcome.INVALID
                    assert caught.outcome is expected, name
                else:
                    raise AssertionError(f"{name} was read back")
            for path in ("/etc/passwd", "../x", "a/../../x"):
                with contextlib.suppress(ValueError):
                    await sandbox.read(path)
                    raise AssertionError(f"{path} was read back")

    async def test_writing_follows_no_link(self, provider: SandboxProvider) -> None:
        async with provider.open(SPEC) as sandbox:
            await sandbox.run(["sh", "-c", "ln -s /tmp/target program.py; mkfifo data.txt"])
            await sandbox.write({"program.py": b"def f(): return 1", "data.txt": b"x"})
            assert b"target" not in (await sandbox.run(["ls", "/tmp"])).stdout
            assert await sandbox.read("data.txt") == b"x"


class Outcomes:
    """Each way to fail has its name."""

    async def test_exception(self, provider: SandboxProvider) -> None:
        source = """
        def deeper(x):
            return 1 / x
        def main():
            try:
                deeper(0)
            except ZeroDivisionError as error:
                raise ValueError("because") from error
        """
        caught = await failure(provider, source)
        assert caught.outcome is Outcome.CRASHED
        assert 'File "program.py", line 3, in deeper' in caught.message
        assert caught.message.endswith("ValueError: because")
        assert "runner" not in caught.message

    async def test_program_that_does_not_load(self, provider: SandboxProvider) -> None:
        caught = await failure(provider, "def main(:\n    pass")
        assert caught.outcome is Outcome.CRASHED
        assert "SyntaxError" in caught.message
        assert 'File "program.py", line 1' in caught.message
        caught = await failure(provider, "import no_such_module")
        assert "No module named 'no_such_module'" in caught.message
        caught = await failure(provider, "x = 1")
        assert "main" in caught.message

    async def test_sandbox_survives_an_exception(self, provider: SandboxProvider) -> None:
        source = "def main(x):\n    if x: raise KeyError(x)\n    return 'fine'"
        async with holding(provider, source) as sandbox:
            with contextlib.suppress(CandidateFailure):
                await sandbox.call("program:main", 1)
                raise AssertionError("it did not raise")
            assert await sandbox.call("program:main", 0) == "fine"

    async def test_endless_recursion(self, provider: SandboxProvider) -> None:
        caught = await failure(provider, "def main(): return main()")
        assert caught.outcome is Outcome.CRASHED
        assert "RecursionError" in caught.message
        assert len(caught.message) < 8000

    async def test_exception_that_lies_about_itself(self, provider: SandboxProvider) -> None:
        source = """
        class Odd(BaseException):
            def __str__(self): raise Odd()
            __repr__ = __str__
        def main(): raise Odd("x" * 10_000_000)
        """
        assert (await failure(provider, source)).outcome is Outcome.CRASHED

    async def test_exits(self, provider: SandboxProvider) -> None:
        for how, said in (
            ("sys.exit(3)", "SystemExit"),
            ("exit()", "SystemExit"),
            ("os._exit(0)", "exited with status 0"),
            ("os._exit(7)", "exited with status 7"),
            ("os.kill(os.getpid(), 9)", "SIGKILL"),
            ("os.kill(os.getpid(), 15)", "SIGTERM"),
            ("os.abort()", "SIGABRT"),
            ("ctypes.string_at(0)", "SIGSEGV"),
        ):
            caught = await failure(
                provider, f"import ctypes, os, sys\ndef main():\n    {how}\n    return 1"
            )
            assert caught.outcome is Outcome.CRASHED, how
            assert said in caught.message, how

    async def test_dead_program_stays_dead(self, provider: SandboxProvider) -> None:
        async with holding(provider, "import os\ndef main(): os._exit(5)") as sandbox:
            for _ in range(2):
                try:
                    await sandbox.call("program:main")
                except CandidateFailure as caught:
                    assert "status 5" in caught.message
                else:
                    raise AssertionError("it came back")

    async def test_deadline(self, provider: SandboxProvider) -> None:
        loop = asyncio.get_running_loop()
        for body in ("time.sleep(60)", "while True: pass", "input_ = threading.Event().wait()"):
            began = loop.time()
            source = f"import threading, time\ndef main():\n    {body}"
            caught = await failure(provider, source, spec(seconds=0.5))
            assert caught.outcome is Outcome.TIMED_OUT
            assert loop.time() - began < 5

    async def test_deadline_holds_while_loading(self, provider: SandboxProvider) -> None:
        caught = await failure(provider, "while True: pass", spec(seconds=0.5))
        assert caught.outcome is Outcome.TIMED_OUT

    async def test_deadline_is_for_each_call(self, provider: SandboxProvider) -> None:
        source = "import time\ndef main(): time.sleep(0.6)"
        async with holding(provider, source, spec(seconds=1)) as sandbox:
            for _ in range(3):
                await sandbox.call("program:main")

    async def test_memory(self, provider: SandboxProvider) -> None:
        for body in (
            "x = bytearray(1_000_000_000)",
            "x = [bytes(10_000_000) + b'x' for _ in range(100)]",
            "x = 'x' * 10**15",
        ):
            caught = await failure(
                provider, f"import time\ndef main():\n    {body}\n    time.sleep(2)"
            )
            assert caught.outcome is Outcome.OUT_OF_MEMORY, body

    async def test_memory_of_all_processes_counts(self, provider: SandboxProvider) -> None:
        source = """
        import os, time
        def main():
            for _ in range(8):
                if os.fork() == 0:
                    x = bytearray(60_000_000)
                    time.sleep(60)
                    os._exit(0)
            while True:
                if os.wait()[1]:
                    raise RuntimeError("a child of mine has died")
        """
        caught = await failure(provider, source)
        assert caught.outcome is Outcome.OUT_OF_MEMORY

    async def test_too_much_output(self, provider: SandboxProvider) -> None:
        for body in (
            "return b'x' * 5_000_000",
            "return ['x' * 1000] * 5000",
            "print('x' * 5_000_000)",
            "while True: os.write(2, b'x' * 65536)",
        ):
            caught = await failure(provider, f"import os\ndef main():\n    {body}")
            assert caught.outcome is Outcome.OUTPUT_LIMIT, body

    async def test_values_that_cannot_be_sent(self, provider: SandboxProvider) -> None:
        for body in (
            "return {1, 2}",
            "return object()",
            "return main",
            "return {1: 2}",
            "return 10**5000",
            "return np.array([object()])",
            "return np.array([{}, 'x'], dtype=object)",
            "return np.zeros(3, dtype=[('a', 'i4')])",
            "x = []; x.append(x); return x",
            "x = []\n    for _ in range(100): x = [x]\n    return x",
        ):
            caught = await failure(provider, f"import numpy as np\ndef main():\n    {body}")
            assert caught.outcome is Outcome.INVALID, body


class SandboxConformance(Values, Commands, Outcomes, Isolation, Attacks):
    """The whole suite."""
