"""What every sandbox provider must do about asks: carry them, bound them, believe none.

Subclass :class:`AskConformance` in a test module, with a fixture ``provider`` that yields a
checked provider, as for :mod:`metasearch.testing.sandbox_conformance`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from metasearch.candidate import Outcome
from metasearch.errors import CandidateFailure, SandboxError
from metasearch.sandboxes.asking import MAX_REFUSED
from metasearch.sandboxes.asks import Answer, Answers, Ask, Given, Refused
from metasearch.sandboxes.base import Sandbox, SandboxProvider, SandboxSpec, Value
from metasearch.testing.sandboxed import SPEC, program, spec

FORGE = """
import time
from metasearch.sandboxes import wire
def send(value):
    import os
    os.write(4, wire.encode(value))
GOOD = {"ask": 0, "messages": [["user", "x"]], "temperature": None, "max_tokens": None}
"""
"""A candidate's way past ``metasearch_runner``: it writes frames of its own."""


class Model:
    """Answers with the last message, after a while; remembers what was asked."""

    def __init__(self, seconds: float = 0.0, answers: Callable[[Ask], Answer] | None = None):
        """Set up; ``answers`` instead of the last message."""
        self.asked: list[Ask] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.cancelled = 0
        self._seconds = seconds
        self._answers = answers or (lambda ask: Given(ask.messages[-1][1], "stop", 3, 4, 0.5))

    async def answer(self, ask: Ask) -> Answer:
        """What a broker does."""
        self.asked.append(ask)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self._seconds)
            return self._answers(ask)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1


class Holding(Model):
    """Answers ``held?`` once it has another ask in hand, however busy the machine is."""

    def __init__(self, seconds: float):
        """Set up."""
        super().__init__(seconds)
        self._held = asyncio.Event()

    async def answer(self, ask: Ask) -> Answer:
        """What a broker does."""
        if ask.messages[-1][1] != "held?":
            self._held.set()
            return await super().answer(ask)
        await self._held.wait()
        return Given("yes", "stop", 1, 1, 0.0)


@asynccontextmanager
async def asking(
    provider: SandboxProvider,
    source: str,
    model: Model | None,
    of: SandboxSpec = SPEC,
    at_once: int = 3,
) -> AsyncIterator[Sandbox]:
    """A sandbox with this program in it, whose asks the model answers."""
    answers = None if model is None else Answers(model.answer, at_once)
    async with provider.open(of, answers) as sandbox:
        await sandbox.write(program(source))
        yield sandbox


async def returned(
    provider: SandboxProvider, source: str, model: Model | None, of: SandboxSpec = SPEC
) -> Value:
    """What ``main()`` of this program returns."""
    async with asking(provider, source, model, of) as sandbox:
        return await sandbox.call("program:main")


async def failure(
    provider: SandboxProvider, source: str, model: Model, of: SandboxSpec = SPEC
) -> CandidateFailure:
    """How ``main()`` of this program fails; and the next candidate must run normally."""
    with pytest.raises(CandidateFailure) as caught:
        await returned(provider, source, model, of)
    well = "import metasearch_runner\ndef main(): return metasearch_runner.ask('well').text"
    assert await returned(provider, well, Model()) == "well"
    return caught.value


class AskConformance:
    """All of it."""

    async def test_question_and_reply_cross_unchanged(self, provider: SandboxProvider) -> None:
        source = """
        from metasearch_runner import ask
        def main():
            system = {"role": "system", "content": "be brief"}
            user = {"role": "user", "content": "\u00fc\\0"}
            first = ask([system, user], temperature=0.25, max_tokens=7)
            return [list(first), ask("again").text]
        """
        model = Model()
        first, second = await returned(provider, source, model)
        assert first == ["\u00fc\0", "stop", 3, 4, 0.5]
        assert second == "again"
        assert model.asked == [
            Ask((("system", "be brief"), ("user", "\u00fc\0")), 0.25, 7),
            Ask((("user", "again"),), None, None),
        ]

    async def test_a_cap_is_an_exception_that_can_be_handled(
        self, provider: SandboxProvider
    ) -> None:
        source = """
        import metasearch_runner
        def main():
            try:
                metasearch_runner.ask("more")
            except metasearch_runner.BudgetExceeded as error:
                assert isinstance(error, metasearch_runner.AskError)
                return [error.cap, str(error)]
        """
        model = Model(answers=lambda ask: Refused("used up", "tokens"))
        assert await returned(provider, source, model) == ["tokens", "used up"]
        bare = "import metasearch_runner\ndef main(): metasearch_runner.ask('more')"
        caught = await failure(provider, bare, model)
        assert caught.outcome is Outcome.CRASHED
        assert caught.message.endswith("metasearch_runner.BudgetExceeded: used up")

    async def test_refusal_of_one_question_is_another_exception(
        self, provider: SandboxProvider
    ) -> None:
        source = """
        import metasearch_runner
        def main():
            try:
                metasearch_runner.ask("rude")
            except metasearch_runner.AskError as error:
                return [type(error).__name__, str(error)]
        """
        model = Model(answers=lambda ask: Refused("not this one"))
        assert await returned(provider, source, model) == ["AskError", "not this one"]

    async def test_who_may_not_ask_is_told_so(self, provider: SandboxProvider) -> None:
        source = "import metasearch_runner\ndef main(): metasearch_runner.ask('x')"
        with pytest.raises(CandidateFailure, match=r"AskError: .* may not ask models"):
            await returned(provider, source, None)

    @pytest.mark.parametrize(
        "arguments",
        [
            "[]",
            "None",
            "7",
            "['text']",
            "[{'role': 'user'}]",
            "[{'role': 'tool', 'content': 'x'}]",
            "[{'role': 'user', 'content': 7}]",
            "'x' * 1_000_001",
            "[{'role': 'user', 'content': 'x'}] * 257",
            "'x', temperature=2.5",
            "'x', temperature=float('nan')",
            "'x', temperature='hot'",
            "'x', max_tokens=0",
            "'x', max_tokens=1.5",
        ],
    )
    async def test_wrong_arguments_are_an_exception_and_are_not_sent(
        self, provider: SandboxProvider, arguments: str
    ) -> None:
        source = f"""
        import metasearch_runner
        def main():
            try:
                metasearch_runner.ask({arguments})
            except metasearch_runner.AskError as error:
                return metasearch_runner.ask("good").text
        """
        model = Model()
        assert await returned(provider, source, model) == "good"
        assert len(model.asked) == 1

    async def test_waiting_for_a_model_is_not_the_program_s_time(
        self, provider: SandboxProvider
    ) -> None:
        source = """
        import time, metasearch_runner
        def main(after):
            metasearch_runner.ask("one")
            metasearch_runner.ask("two")
            time.sleep(after)
            return "done"
        """
        async with asking(provider, source, Model(0.6), spec(seconds=1.0)) as sandbox:
            assert await sandbox.call("program:main", 0) == "done"
        async with asking(provider, source, Model(0.3), spec(seconds=0.5)) as sandbox:
            began = time.monotonic()
            with pytest.raises(CandidateFailure) as caught:
                await sandbox.call("program:main", 60)
        assert caught.value.outcome is Outcome.TIMED_OUT
        assert 1.0 < time.monotonic() - began < 20

    async def test_processor_time_is_limited_while_a_thread_waits(
        self, provider: SandboxProvider
    ) -> None:
        source = """
        import threading, metasearch_runner
        def main():
            threading.Thread(target=metasearch_runner.ask, args=("x",)).start()
            while True: pass
        """
        caught = await failure(provider, source, Model(30), spec(seconds=1))
        assert caught.outcome is Outcome.TIMED_OUT

    async def test_threads_ask_at_once_as_many_as_may(self, provider: SandboxProvider) -> None:
        source = """
        import metasearch_runner
        from concurrent.futures import ThreadPoolExecutor
        def main():
            with ThreadPoolExecutor(8) as threads:
                return [r.text for r in threads.map(metasearch_runner.ask, map(str, range(24)))]
        """
        model = Model(0.05)
        assert await returned(provider, source, model) == [str(n) for n in range(24)]
        assert model.most_in_flight == 3
        assert sorted(int(ask.messages[0][1]) for ask in model.asked) == list(range(24))

    async def test_threads_that_ask_as_fast_as_they_can(self, provider: SandboxProvider) -> None:
        source = """
        import metasearch_runner
        from concurrent.futures import ThreadPoolExecutor
        def main():
            with ThreadPoolExecutor(6) as threads:
                return [r.text for r in threads.map(metasearch_runner.ask, map(str, range(300)))]
        """
        model = Model(0.001)
        runs = [returned(provider, source, model) for _ in range(3)]
        assert await asyncio.gather(*runs) == [[str(n) for n in range(300)]] * 3

    async def test_a_thread_that_asks_when_its_call_has_ended(
        self, provider: SandboxProvider
    ) -> None:
        source = """
        import threading, time, metasearch_runner
        heard = []
        def late():
            for _ in range(2):
                try:
                    metasearch_runner.ask("late")
                except metasearch_runner.AskError as error:
                    heard.append(str(error))
        def main():
            threading.Thread(target=late).start()
            time.sleep(0.2)
            return "main"
        def after():
            time.sleep(0.2)
            return [metasearch_runner.ask("next").text, len(heard)]
        """
        model = Model(5.0, answers=lambda ask: Given("late", "stop", 1, 1, None))
        async with asking(provider, source, model) as sandbox:
            assert await sandbox.call("program:main") == "main"
            model._seconds = 0.0
            await asyncio.sleep(0.2)
            text, heard = await sandbox.call("program:after")
        assert model.cancelled == 1
        assert text == "late"
        assert heard >= 1

    async def test_a_forked_child_and_a_command_may_not_ask(
        self, provider: SandboxProvider
    ) -> None:
        source = """
        import os, metasearch_runner
        def main():
            reader, writer = os.pipe()
            if os.fork() == 0:
                try:
                    metasearch_runner.ask("child")
                except metasearch_runner.AskError as error:
                    os.write(writer, str(error).encode())
                os._exit(0)
            os.wait()
            return os.read(reader, 1000).decode() + metasearch_runner.ask(" parent").text
        """
        model = Model()
        said = await returned(provider, source, model)
        assert "not one it forked" in said
        assert said.endswith(" parent")
        assert len(model.asked) == 1
        async with asking(provider, "", model) as sandbox:
            done = await sandbox.run(["python3", "-c", "import metasearch_runner as m; m.ask('x')"])
        assert b"AskError" in done.stderr
        assert b"a program that is run as a command may not" in done.stderr

    @pytest.mark.parametrize(
        "attack",
        [
            "send({'ask': 0})",
            "send({**GOOD, 'messages': []})",
            "send({**GOOD, 'messages': [['user', 'x', 'y']]})",
            "send({**GOOD, 'messages': [['root', 'x']]})",
            "send({**GOOD, 'messages': [['user', b'x']]})",
            "send({**GOOD, 'messages': [['user', 'x' * 1_000_001]]})",
            "send({**GOOD, 'messages': [['user', 'x']] * 300})",
            "send({**GOOD, 'messages': {'user': 'x'}})",
            "send({**GOOD, 'temperature': float('nan')})",
            "send({**GOOD, 'temperature': 10 ** 400})",
            "send({**GOOD, 'temperature': True})",
            "send({**GOOD, 'max_tokens': -1})",
            "send({**GOOD, 'max_tokens': 10 ** 300})",
            "send({**GOOD, 'ask': 'zero'})",
            "send({**GOOD, 'ask': -1})",
            "send({**GOOD, 'ask': 1.0})",
            "send(GOOD); send(GOOD)",
            "[send({**GOOD, 'ask': n}) for n in range(4)]",
            "send([GOOD])",
            "send({'asked': 0, 'given': {}})",
        ],
    )
    async def test_hostile_asks_end_only_who_sent_them(
        self, provider: SandboxProvider, attack: str
    ) -> None:
        source = f"{FORGE}\ndef main():\n    {attack}\n    time.sleep(10)"
        model = Model(300)
        began = time.monotonic()
        caught = await failure(provider, source, model)
        assert caught.outcome is Outcome.INVALID, caught
        assert time.monotonic() - began < 8
        assert model.in_flight == 0

    async def test_an_ask_before_any_call_runs_or_with_nobody_to_answer(
        self, provider: SandboxProvider
    ) -> None:
        source = f"{FORGE}\ndef main():\n    send(GOOD)\n    time.sleep(10)"
        with pytest.raises(CandidateFailure) as caught:
            await returned(provider, source, None)
        assert caught.value.outcome is Outcome.INVALID
        late = f"{FORGE}\nimport threading\n"
        late += "def main():\n    threading.Timer(0.1, send, [GOOD]).start()"
        model = Model()
        async with asking(provider, late, model) as sandbox:
            await sandbox.call("program:main")
            await asyncio.sleep(0.4)
            with pytest.raises(CandidateFailure) as caught:
                await sandbox.call("program:main")
        assert caught.value.outcome is Outcome.INVALID
        assert model.asked == []

    async def test_one_that_asks_on_and_on_is_ended(self, provider: SandboxProvider) -> None:
        source = """
        import metasearch_runner
        def main():
            while True:
                try:
                    metasearch_runner.ask("please")
                except metasearch_runner.AskError:
                    pass
        """
        model = Model(answers=lambda ask: Refused("used up", "calls"))
        caught = await failure(provider, source, model)
        assert caught.outcome is Outcome.INVALID
        assert len(model.asked) == MAX_REFUSED

    async def test_refusals_are_counted_for_each_call(self, provider: SandboxProvider) -> None:
        source = """
        import metasearch_runner
        def main(times):
            for _ in range(times):
                try:
                    metasearch_runner.ask("please")
                except metasearch_runner.BudgetExceeded:
                    pass
            return "a guess"
        """
        model = Model(answers=lambda ask: Refused("used up", "calls"))
        async with asking(provider, source, model) as sandbox:
            for _ in range(3):
                assert await sandbox.call("program:main", MAX_REFUSED // 2) == "a guess"

    async def test_one_that_never_reads_its_replies_is_ended(
        self, provider: SandboxProvider
    ) -> None:
        source = f"""{FORGE}
def main():
    for number in range(1000):
        send({{**GOOD, "ask": number}})
        time.sleep(0.05)
"""
        model = Model(answers=lambda ask: Given("\u00fc" * 1_000_000, "stop", 1, 1, None))
        caught = await failure(provider, source, model)
        assert caught.outcome is Outcome.INVALID
        assert "does not read the answers" in caught.message
        assert len(model.asked) < 20

    async def test_a_long_reply_crosses(self, provider: SandboxProvider) -> None:
        text = "\u00fc" * 1_000_000
        model = Model(answers=lambda ask: Given(text, "stop", 1, 1, None))
        source = "import metasearch_runner\ndef main(): return len(metasearch_runner.ask('x').text)"
        assert await returned(provider, source, model) == len(text)

    async def test_what_fails_on_our_side_is_not_the_candidate_s_failure(
        self, provider: SandboxProvider
    ) -> None:
        def fail(ask: Ask) -> Answer:
            raise OSError("the wire is cut")

        source = "import metasearch_runner\ndef main(): return metasearch_runner.ask('x').text"
        with pytest.raises(SandboxError, match="the wire is cut"):
            await returned(provider, source, Model(answers=fail))

    async def test_an_ended_candidate_s_asks_are_given_up(self, provider: SandboxProvider) -> None:
        source = """
        import os, threading, metasearch_runner
        def main():
            threading.Thread(target=metasearch_runner.ask, args=("x",), daemon=True).start()
            metasearch_runner.ask("held?")
            os._exit(3)
        """
        model = Holding(30)
        before = _own_threads()
        with pytest.raises(CandidateFailure) as caught:
            await returned(provider, source, model)
        assert caught.value.outcome is Outcome.CRASHED
        assert (model.in_flight, model.cancelled) == (0, 1)
        assert _own_threads() == before


def _own_threads() -> int:
    """Threads besides those of pools, which keep them for later and may add one at any time."""
    pools = ("asyncio_", "docker_")
    return sum(not thread.name.startswith(pools) for thread in threading.enumerate())
