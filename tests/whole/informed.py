"""A model that knows: it changes programs like offline/evolve, and judges by what they score."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from metasearch.campaign_file import load_campaign
from metasearch.candidate import Outcome
from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec
from metasearch.exchange import Message
from metasearch.models.offline.prompt import Files, Format, read
from metasearch.models.offline.reply import reply
from metasearch.models.offline.variation import vary

Worth = Callable[[Files], float | None]
"""Of a program's files: larger is better; ``None`` if it fails."""

FAILS = -1e9


class TrueScores:
    """Measures programs with a campaign's own evaluator and sandbox, beside the campaign."""

    def __init__(self, folder: Path) -> None:
        campaign = load_campaign(folder, {})
        self._objective = campaign.objectives[0]
        self._spec = EvaluationSpec.of(campaign)
        self._known: dict[str, float | None] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._pool: EvaluationPool | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._pool = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._pool is not None
        asyncio.run_coroutine_threadsafe(self._pool.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __call__(self, files: Files) -> float | None:
        """The gain in the first objective."""
        key = json.dumps(files, sort_keys=True)
        if key not in self._known:
            measured = asyncio.run_coroutine_threadsafe(self._measure(files), self._loop)
            self._known[key] = measured.result()
        return self._known[key]

    async def _open(self) -> EvaluationPool:
        return EvaluationPool(self._spec, lanes=1)

    async def _measure(self, files: Files) -> float | None:
        assert self._pool is not None
        result = await self._pool.evaluate(EvaluationRequest(number=0, files=files))
        if result.outcome is not Outcome.SCORED:
            return None
        return self._objective.gain(result.stages[-1].scores[self._objective.name].value)


def by_chance(files: Files) -> float:
    """A worth that has nothing to do with the score: to judge by it is to be uninformed."""
    return random.Random(json.dumps(files, sort_keys=True)).random()


class InformedModel:
    """Answers every prompt of every strategy. For :class:`ModelServer`, one call at a time.

    Edits are offline/evolve's. An idea of the co-scientist is such an edit, made when the idea is
    asked for and handed over when it is to be put into code; so its worth is known before.
    """

    def __init__(self, worth: Worth) -> None:
        self._worth = worth
        self._asked: Counter[str] = Counter()
        self._ideas: dict[str, Files] = {}
        self._effects: dict[str, float] = {}
        self._seen: dict[str, float] = {}

    def __call__(self, messages: Sequence[Message]) -> str:
        chat = [{"role": m.role, "content": m.content} for m in messages]
        key = hashlib.sha256(json.dumps(chat).encode()).hexdigest()
        self._asked[key] += 1
        seed = random.Random(f"{key} {self._asked[key]}").getrandbits(31)
        request, said = read(chat), "\n".join(m.content for m in messages)
        titles: list[str] = re.findall(r"^Title: (.*)$", said, re.M)
        if request.format is Format.JSON and request.schema is not None:
            filled = json.loads(reply(chat, seed))
            match str(request.schema.get("title")):
                case "IdeaForm":
                    filled |= self._idea(request.program, random.Random(seed))
                case "InitialReviewForm":
                    fails = self._of_idea(titles[0]) <= FAILS
                    filled["verdict"] = "fail" if fails else "pass"
                case "ReviewForm" | "DeepReviewForm":
                    filled["verdict"] = "pass"
                case "VerdictForm" | "DebateForm":
                    lead = self._of_idea(titles[0]) - self._of_idea(titles[1])
                    filled["first_is_better"] = 0.5 + 0.45 * ((lead > 0) - (lead < 0))
                case "Judgement":
                    filled |= self._judgement(request.program)
                case "Verdict":
                    filled["choice"] = self._shortest(said)
            return json.dumps(filled)
        if "## The idea to put into code" in said:
            return self._carried_out(titles[0], request.program, random.Random(seed))
        return reply(chat, seed)

    # -- what it knows --------------------------------------------------------------------

    def _of_program(self, files: Files) -> float:
        worth = self._worth(files)
        return FAILS if worth is None else worth

    def _of_idea(self, title: str) -> float:
        """Its effect where it was carried out; else its lead over the best program shown."""
        if title in self._effects:
            return self._effects[title]
        worth = self._of_program(self._ideas[title])
        return worth if worth <= FAILS else worth - max(self._seen.values())

    # -- what it says ---------------------------------------------------------------------

    def _idea(self, program: Files, rng: random.Random) -> Mapping[str, str]:
        child = vary(program, (), rng, 0.8).files
        title = "Idea " + "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=12))
        self._ideas[title] = child
        self._see(program)
        return {"title": title, "claim": changes(program, child)}

    def _carried_out(self, title: str, program: Files, rng: random.Random) -> str:
        """As it was thought of; asked for once more, some other way."""
        self._see(program)
        again = title in self._effects
        child = vary(program, (), rng, 0.8).files if again else self._ideas[title]
        effect = self._of_program(child) - self._of_program(program)
        self._effects[title] = max(effect, self._effects.get(title, effect))
        files = [f"### File: {path}\n```python\n{text}```" for path, text in child.items()]
        return "\n".join([f"I carry out {title}.", *files])

    def _see(self, program: Files) -> None:
        self._seen[json.dumps(program)] = self._of_program(program)

    def _judgement(self, program: Files) -> Mapping[str, object]:
        """From -100 to 100 by the rank among all programs judged so far."""
        worth = self._of_program(program)
        self._see(program)
        below = sum(other < worth for other in self._seen.values())
        score = -100.0 if worth <= FAILS else 200 * below / max(1, len(self._seen) - 1) - 100
        return {"score": score, "explanation": f"It beats {below} of the others."}

    def _shortest(self, said: str) -> str:
        parts = re.split(r"^# Program (\w)$", said, flags=re.M)
        return min(zip(parts[1::2], parts[2::2], strict=True), key=lambda p: len(p[1]))[0]


def changes(before: Files, after: Files) -> str:
    """A diff of all files, as an idea's claim."""
    lines: list[str] = []
    for path, text in after.items():
        old = before.get(path, "").splitlines()
        lines += difflib.unified_diff(old, text.splitlines(), path, path, lineterm="", n=0)
    return "\n".join(lines) or "Nothing."
