"""``offline/replay:FILE``: answers from recorded calls instead of a provider.

A recording is what ``metasearch export C --format calls`` writes: one exchange a line. A call
is answered by its place (step, call, asker), so that a campaign with the same seed, at
concurrency 1, comes to the same archive; with ``offline/replay-by-content:FILE`` by what is
asked, wherever it is asked.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from metasearch.errors import ModelSetupError
from metasearch.exchange import Exchange, ExchangeState, Message
from metasearch.models.attempt import AttemptFailed, Completion

BY_PLACE = "offline/replay:"
BY_CONTENT = "offline/replay-by-content:"

MAX_LINE = 32_000_000
"""Bytes of one recorded call; longer lines are no recording of ours."""

Place = tuple[int, int, int | None]
"""Step, call, asker."""


def source_of(model: str) -> str | None:
    """What a model's name says to replay: a file or a campaign; ``None`` for other models."""
    for prefix in (BY_PLACE, BY_CONTENT):
        if model.startswith(prefix):
            return model.removeprefix(prefix)
    return None


class Recording:
    """Recorded calls, ready to answer."""

    def __init__(self, exchanges: Iterable[Exchange], *, by_content: bool) -> None:
        self._by_content = by_content
        self._by_place: dict[tuple[Place, int], Exchange] = {}
        self._by_messages: defaultdict[tuple[Message, ...], deque[Exchange]] = defaultdict(deque)
        for exchange in exchanges:
            if exchange.state is not ExchangeState.ANSWERED:
                continue
            if by_content:
                self._by_messages[exchange.messages].append(exchange)
            else:
                place = (exchange.step, exchange.call, exchange.asker)
                part = exchange.parameters.get("part", 1)
                self._by_place[place, 2 if part == 2 else 1] = exchange

    @classmethod
    def for_model(cls, model: str, exchanges: Iterable[Exchange]) -> Recording:
        """The recording that a model's name asks for."""
        return cls(exchanges, by_content=model.startswith(BY_CONTENT))

    def completion(self, place: Place, messages: Sequence[Message], *, part: int = 1) -> Completion:
        """The recorded reply.

        By content, the replies to one question come in their recorded order, and the last of
        them again and again after that.

        Raises:
            AttemptFailed: There is none.
        """
        if self._by_content:
            known = self._by_messages.get(tuple(messages))
            if not known:
                raise AttemptFailed("the recording has no reply to this question", status=404)
            found = known.popleft() if len(known) > 1 else known[0]
        else:
            recorded = self._by_place.get((place, part))
            if recorded is None:
                step, call, asker = place
                who = "" if asker is None else f" of candidate #{asker}"
                raise AttemptFailed(
                    f"the recording ends before call {call} of step {step}{who}", status=404
                )
            found = recorded
        return Completion(found.reply, found.finish_reason, found.usage)


def read_recording(file: Path) -> Iterator[Exchange]:
    """The exchanges of a recording.

    Raises:
        ModelSetupError: It cannot be read, or is no recording; with the line.
    """
    try:
        with file.open("rb") as stream:
            number = 0
            while line := stream.readline(MAX_LINE):
                number += 1
                try:
                    yield Exchange.model_validate_json(line)
                except ValidationError as error:
                    raise ModelSetupError(
                        f"{file}, line {number} is no recorded call: "
                        f"{error.errors(include_url=False)[0]['msg']}. Make a recording with "
                        "'metasearch export CAMPAIGN --format calls --to FILE'."
                    ) from None
    except OSError as error:
        raise ModelSetupError(f"The recording {file} cannot be read: {error.strerror}.") from None
