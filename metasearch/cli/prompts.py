"""``metasearch prompt``: what a step has asked a model, or would ask next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from metasearch.archive import CampaignArchive
from metasearch.cli.console import console, print_json
from metasearch.cli.references import opened
from metasearch.engine.preview import Preview, preview
from metasearch.errors import UsageError
from metasearch.exchange import Exchange, Message
from metasearch.printable import one_line, printable


def prompt(
    file: Path | None, campaign: str, step: int | None, call: int | None, *, as_json: bool
) -> None:
    """Show the prompts of a step: those on record, else the one that it would ask first."""
    with opened(file) as archive:
        run = archive.campaign(archive.find(campaign).id)
        number = max(run.next_step(), 1) if step is None else step
        sent = run.exchanges(number)
        if sent or call is not None:
            _show_sent(run, number, _chosen(run, number, sent, call), as_json=as_json)
        else:
            _show_next(preview(run, number), as_json=as_json)


def _chosen(
    run: CampaignArchive, step: int, sent: Sequence[Exchange], call: int | None
) -> list[Exchange]:
    chosen = [exchange for exchange in sent if call in (None, exchange.call)]
    if not chosen:
        calls = ", ".join(dict.fromkeys(str(exchange.call) for exchange in sent)) or "none"
        raise UsageError(f"Step {step} of {run.id} has no call {call}; there is: {calls}.")
    return chosen


def _show_sent(run: CampaignArchive, step: int, sent: Sequence[Exchange], *, as_json: bool) -> None:
    if as_json:
        include = {"step", "call", "role", "model", "state", "error", "parameters", "messages"}
        print_json(
            [
                {
                    **exchange.model_dump(mode="json", include=include),
                    "templates": run.templates_of(step, exchange.call),
                }
                for exchange in sent
            ]
        )
        return
    out = console()
    for exchange in sent:
        out.print(
            Text(
                f"Step {step}, call {exchange.call}: {exchange.role}, "
                f"{one_line(exchange.model)}, {exchange.state}",
                style="bold",
            )
        )
        _print_messages(out, exchange.messages)


def _show_next(found: Preview, *, as_json: bool) -> None:
    messages, tokens, cut = found.prompt
    if as_json:
        print_json(
            [
                {
                    "step": found.step,
                    "call": 0,
                    "role": found.role,
                    "state": "not asked yet",
                    "messages": [message.model_dump(mode="json") for message in messages],
                    "estimated_tokens": tokens,
                    "cut": cut,
                }
            ]
        )
        return
    out = console()
    about = f"about {tokens} tokens" + (f", cut: {', '.join(cut)}" if cut else "")
    out.print(Text(f"Step {found.step}, not asked yet: {found.role}, {about}", style="bold"))
    _print_messages(out, messages)


def _print_messages(out: Console, messages: Sequence[Message]) -> None:
    for message in messages:
        out.print(Text(f"--- {one_line(message.role)}", style="bold cyan"))
        out.print(Text(printable(message.content)), soft_wrap=True)
    out.print()
