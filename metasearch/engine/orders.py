"""Carrying out what people command while the engine runs."""

from __future__ import annotations

from collections.abc import Callable

from metasearch.archive import CampaignArchive
from metasearch.campaign import CampaignFile
from metasearch.commands import (
    Commanded,
    Concurrency,
    Continue,
    Extend,
    Idea,
    Pause,
    Steering,
    Stop,
)
from metasearch.engine.gate import Gate
from metasearch.engine.in_flight import Width
from metasearch.engine.outage import Outage
from metasearch.engine.ports import Models
from metasearch.engine.standing import Standing
from metasearch.models import Ledger


def decline_outdated(archive: CampaignArchive) -> None:
    """Answer what nobody was there for: a start is a person's later word than a pause."""
    for each in archive.waiting_commands():
        if isinstance(each.command, Pause | Continue | Stop):
            answer = "no engine ran when it was asked, and one was started since"
            archive.answer_command(each.number, answer, taken=False)


class Orders:
    """Looks for new commands, carries them out, and answers them.

    What steers needs nothing but the answer: steps read it themselves when they open.
    """

    def __init__(
        self,
        archive: CampaignArchive,
        gate: Gate,
        outage: Outage,
        *,
        stop: Callable[[], None],
        ledger: Ledger,
        models: Models,
        standing: Standing,
        suggest: Callable[[Commanded], str] | None,
        width: Width,
    ) -> None:
        """Set up.

        Args:
            archive: Where commands are.
            gate: Wakes those who wait for a change.
            outage: Keeps the pause.
            stop: Ends the run in order.
            ledger: Keeps the limits of USD and tokens.
            models: Keep the number of calls in flight.
            standing: Keeps the other limits, and the best that counts.
            suggest: Takes in an idea, and says what it has become; ``None`` if ideas are hints.
            width: Keeps the number of steps in flight.
        """
        self._archive = archive
        self._gate = gate
        self._outage = outage
        self._stop = stop
        self._ledger = ledger
        self._models = models
        self._standing = standing
        self._suggest = suggest
        self._width = width

    def look(self) -> None:
        """Carry out what is new."""
        waiting = self._archive.waiting_commands()
        for each in waiting:
            taken, answer = self._carry_out(each)
            self._archive.answer_command(each.number, answer, taken=taken)
        if waiting:
            self._gate.wake()

    def _go_by(self, settings: CampaignFile) -> None:
        """Keep another budget and concurrency from now on."""
        self._standing.budget = settings.budget
        self._ledger.resettle(usd=settings.budget.usd, tokens=settings.budget.tokens)
        self._width.concurrency = settings.concurrency
        self._models.widen(settings.concurrency)

    def _carry_out(self, each: Commanded) -> tuple[bool, str]:
        """What is done, and whether it was."""
        step = max(self._archive.next_step(), 1)
        command = each.command
        if isinstance(command, Extend | Concurrency):
            if self._gate.closed:
                return True, "this run is ending; the next one goes by it"
            self._go_by(self._archive.settings_in_force())
            return True, f"taken before step {step}"
        if isinstance(command, Idea) and self._suggest is not None:
            return True, self._suggest(each)
        if isinstance(command, Steering):
            self._standing.look_again()
            return True, f"taken: step {step} is the first to see it"
        if self._gate.closed:
            return False, "this run is ending already"
        if isinstance(command, Stop):
            self._stop()
            return True, f"stopping before step {step}"
        if isinstance(command, Pause):
            if self._outage.held:
                return False, "it is paused already"
            self._outage.hold(f"paused by {each.who}")
            return True, f"paused before step {step}"
        if not self._outage.held:
            return False, "it is not paused"
        self._outage.release()
        return True, f"going on with step {step}"
