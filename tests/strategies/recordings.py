"""Recorded replies of a language model to every prompt of a strategy, and how each is read."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import BaseModel

from metasearch.exchange import Message, Usage
from metasearch.operators import structured
from metasearch.operators.debate import verdict_on
from metasearch.operators.edits import read_edit
from metasearch.operators.genome import genes, read_gene
from metasearch.operators.lessons import Lessons
from metasearch.operators.sections import sections
from metasearch.program import Program
from metasearch.prompts import shorten
from metasearch.step import Refused, Rejected, Reply
from metasearch.strategies.co_scientist import FEEDBACK
from metasearch.strategies.co_scientist_forms import (
    DebateForm,
    DeepReviewForm,
    HypothesisForm,
    IdeaForm,
    InitialReviewForm,
    ObservationReviewForm,
    PlanForm,
    ReviewForm,
    VerdictForm,
)
from metasearch.strategies.darwin_godel import Diagnosis
from metasearch.strategies.guided_evolution_pool import wording_of
from metasearch.strategies.mcts import Judgement

FOLDER = Path(__file__).parents[1] / "recordings"
_BLOCK = re.compile(r"## Current code of the block `([^`]+)`")


class Recording(BaseModel):
    """See ``tests/recordings/README.md``."""

    messages: list[Message]
    parent: dict[str, str] | None = None
    reply: str

    @property
    def program(self) -> Program:
        """The program that the reply changes."""
        assert self.parent is not None
        return Program(files=self.parent)


@dataclass(frozen=True)
class Kind:
    """A kind of prompt."""

    phrase: str
    """Its last message holds this, and the last message of no kind before it does."""
    read: Callable[[Recording], object]
    """What the strategy reads its replies with."""


def _edit(recorded: Recording) -> Program | Rejected:
    return read_edit(recorded.reply, recorded.program)


def _gene(recorded: Recording) -> Program | Rejected:
    block = _block(recorded.messages)
    gene = next(gene for gene in genes(recorded.program) if gene.name == block)
    return read_gene(recorded.reply, recorded.program, gene)


def _design(recorded: Recording) -> Program | Rejected:
    found = sections(recorded.reply, ("reflection", "thought", "name", "program"))
    if not {"thought", "name"} <= found.keys():
        return Rejected(f"only the sections {sorted(found)}")
    return _edit(recorded)


def _wording(recorded: Recording) -> str | Refused:
    return wording_of(recorded.reply) or Refused("no wording")


def _form(schema: type[BaseModel]) -> Callable[[Recording], BaseModel | Refused]:
    def read(recorded: Recording) -> BaseModel | Refused:
        usage = Usage(input_tokens=1, output_tokens=1)
        reply = Reply(recorded.reply, usage, "stop", replayed=True, model="recorded")
        return structured.read(reply, schema)

    return read


def _verdict(recorded: Recording) -> BaseModel | Refused:
    labels = re.findall(r"^# Program ([A-E])$", recorded.messages[0].content, re.MULTILINE)
    return _form(verdict_on(tuple(sorted(labels))))(recorded)


def _text(recorded: Recording) -> str | Refused:
    whole = recorded.reply.strip()
    return whole or Refused("no text")


def _short_text(recorded: Recording) -> str | Refused:
    kept = shorten(recorded.reply, FEEDBACK)
    return _text(recorded) if kept == recorded.reply else Refused("too long to be kept")


def _idea(recorded: Recording) -> BaseModel | Refused:
    """Where nothing is measured, no change of an objective is asked for."""
    measures = '"predicted"' in recorded.messages[-1].content
    return _form(IdeaForm if measures else HypothesisForm)(recorded)


KINDS = {
    "mechanisms/insights": Kind("lessons that will help with further edits", _form(Lessons)),
    "mechanisms/reexamine": Kind("Small corrections have not been enough", _edit),
    "mechanisms/mend": Kind("Your program was run and failed.", _edit),
    "mechanisms/differ": Kind("Propose a program that does something that #", _edit),
    "mechanisms/behave": Kind("## Behave differently", _edit),
    "mechanisms/persona": Kind("work as this kind of programmer would", _edit),
    "mechanisms/budget": Kind("evaluations of this search are used.", _edit),
    "mechanisms/lessons": Kind("## What earlier attempts have taught", _edit),
    "mcts/expand": Kind("edit of the current program", _edit),
    "mcts/value": Kind("Judge how promising", _form(Judgement)),
    "mcts/debate_argue": Kind("argue for the program that should be kept", _verdict),
    "mcts/debate_conclude": Kind("You conclude.", _verdict),
    "darwin_godel/diagnose": Kind("Write the task for the programmer", _form(Diagnosis)),
    "darwin_godel/change": Kind("Make this change in the current program", _edit),
    "meta_agent_search/design": Kind("# Now\nInvent the next program.", _design),
    "meta_agent_search/reflect": Kind("# Reflect\n", _design),
    "meta_agent_search/check": Kind("# Check once more\n", _design),
    "meta_agent_search/repair": Kind("# Repair it\n", _design),
    "guided_evolution/crossover": Kind("Two programs for this task differ in", _gene),
    "guided_evolution/thought": Kind("Name the principle behind it.", _gene),
    "guided_evolution/rephrase": Kind("Say the same in other words", _wording),
    "guided_evolution/mutate": Kind("## Current code of the block", _gene),
    "co_scientist/goal": Kind("say what the goal above asks for", _form(PlanForm)),
    "co_scientist/generate_explore": Kind("Survey what is known", _idea),
    "co_scientist/generate_debate": Kind("Let three experts", _idea),
    "co_scientist/generate_assumptions": Kind("Reason from assumptions.", _idea),
    "co_scientist/generate_expand": Kind("Look for what is missing.", _idea),
    "co_scientist/evolve_ground": Kind("Ground this idea in evidence.", _idea),
    "co_scientist/evolve_feasible": Kind("Make this idea one that can be", _idea),
    "co_scientist/evolve_inspire": Kind("as inspiration only.", _idea),
    "co_scientist/evolve_combine": Kind("Combine these ideas.", _idea),
    "co_scientist/evolve_simplify": Kind("Simplify this idea.", _idea),
    "co_scientist/evolve_out_of_box": Kind("Move away from these ideas.", _idea),
    "co_scientist/review_initial": Kind("Take a first look", _form(InitialReviewForm)),
    "co_scientist/review_full": Kind("Review this idea thoroughly", _form(ReviewForm)),
    "co_scientist/review_deep": Kind("Take this idea apart.", _form(DeepReviewForm)),
    "co_scientist/review_simulate": Kind("Play this idea through.", _form(ReviewForm)),
    "co_scientist/review_observe": Kind("Hold this idea against", _form(ObservationReviewForm)),
    "co_scientist/review_recurrent": Kind("This idea was reviewed before", _form(ReviewForm)),
    "co_scientist/debate_turn": Kind("You speak for idea", _text),
    "co_scientist/match_panel": Kind("Let a panel of experts debate", _form(DebateForm)),
    "co_scientist/match_single": Kind("Decide which of the two ideas", _form(VerdictForm)),
    "co_scientist/implement": Kind("so that it carries this idea out", _edit),
    "co_scientist/feedback": Kind("Look back on this work", _short_text),
    "co_scientist/overview": Kind("Write an overview of this work", _text),
}


@cache
def recordings(kind: str) -> dict[str, Recording]:
    """The recordings of a kind by name, in order."""
    return {
        f"{kind}-{file.stem.rpartition('-')[2]}": Recording.model_validate(
            json.loads(file.read_text("utf-8"))
        )
        for file in sorted(FOLDER.glob(f"{kind}-*.json"))
    }


def kind_of(messages: Sequence[Message]) -> str:
    """The kind of a prompt."""
    return next(name for name, kind in KINDS.items() if kind.phrase in messages[-1].content)


def put(prompts: Path, replies: Path, into: Path = FOLDER) -> list[Path]:
    """Record what a model has replied to prompts: each reply beside the prompt of its name.

    ``python -m tests.strategies.recordings PROMPTS REPLIES`` does the same.

    Args:
        prompts: Files ``KIND-NUMBER.json``, a recording each but for its reply.
        replies: Files ``KIND-NUMBER.txt``, the reply and nothing else; those that are there.
        into: The recordings; an older one of the same name is replaced.

    Raises:
        ValueError: A reply cannot be read as its strategy would; then none is recorded.
    """
    found: dict[Path, Recording] = {}
    faults = []
    for file in sorted(replies.glob("*.txt")):
        asked = json.loads((prompts / f"{file.stem}.json").read_text("utf-8"))
        recorded = Recording.model_validate({**asked, "reply": file.read_text("utf-8")})
        kind = kind_of(recorded.messages)
        if kind.partition("/")[2] != file.stem.rpartition("-")[0]:
            faults.append(f"{file.stem} is a prompt of the kind {kind}")
        read = KINDS[kind].read(recorded)
        if isinstance(read, Refused | Rejected):
            faults.append(f"{file.stem}: {read.reason}")
        found[into / f"{kind}-{file.stem.rpartition('-')[2]}.json"] = recorded
    if faults:
        raise ValueError("\n".join(faults))
    for file, recorded in found.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        told = recorded.model_dump(mode="json", exclude_none=True)
        file.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return list(found)


def _block(messages: Sequence[Message]) -> str:
    found = _BLOCK.search(messages[-1].content)
    return found[1] if found else ""


@dataclass
class RecordedModel:
    """A model that answers each prompt with the next recorded reply of its kind."""

    about: str = ""
    """Where replies were given on several goals or tasks: the first words of the one meant."""
    asked: Counter[str] = field(default_factory=Counter)
    """How often each kind was answered."""

    def __call__(self, messages: Sequence[Message]) -> str:
        kind, block = kind_of(messages), _block(messages)
        replies = [
            recorded.reply
            for recorded in recordings(kind).values()
            if _block(recorded.messages) == block and self._meant(recorded)
        ]
        self.asked[kind] += 1
        return replies[(self.asked[kind] - 1) % len(replies)]

    def _meant(self, recorded: Recording) -> bool:
        first = recorded.messages[0].content
        named = re.search(r"^# (?:Goal|Task)\n", first, re.MULTILINE)
        return named is None or first[named.end() :].startswith(self.about)


if __name__ == "__main__":
    print(*put(Path(sys.argv[1]), Path(sys.argv[2])), sep="\n")
