"""Takes replies of a language model into ``tests/recordings``, each with the prompt it answers.

    python -m tests.strategies.record PROMPTS REPLIES

A prompt is two files: ``STRATEGY-KIND-N.txt``, as whoever answers reads it, and the same in
``.json`` with the program that it asks to change. Its reply is ``REPLIES/STRATEGY-KIND-N.txt``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from metasearch.exchange import Message
from metasearch.program import Program
from metasearch.step import Refused, Rejected
from tests.strategies.recordings import FOLDER, KINDS, Recording, kind_of


def written(messages: Sequence[Message]) -> str:
    """A prompt as text, roles marked."""
    return "\n\n".join(f"=== {m.role.upper()} ===\n{m.content}" for m in messages) + "\n"


def write_prompt(
    folder: Path, number: int, messages: Sequence[Message], parent: Program | None = None
) -> str:
    """Put a prompt down for an answer; returns its name."""
    name = f"{kind_of(messages).replace('/', '-')}-{number}"
    prompt = {"messages": [{"role": m.role, "content": m.content} for m in messages]}
    files = {} if parent is None else {"parent": parent.files}
    (folder / f"{name}.txt").write_text(written(messages), "utf-8")
    (folder / f"{name}.json").write_text(json.dumps(prompt | files, indent=1), "utf-8")
    return name


def take(prompts: Path, replies: Path, folder: Path = FOLDER) -> dict[str, str]:
    """Record all prompts that are answered.

    Returns:
        What was recorded, and why a reply cannot be used: ``STRATEGY/KIND-N`` -> reason or "".

    Raises:
        ValueError: The two files of a prompt differ, or it is of another kind than its name says.
    """
    found = {}
    for answer in sorted(replies.glob("*.txt")):
        asked = prompts / f"{answer.stem}.json"
        if not asked.exists():
            continue
        prompt = json.loads(asked.read_text("utf-8"))
        recorded = Recording(**prompt, reply=answer.read_text("utf-8"))
        kind, _, number = answer.stem.replace("-", "/", 1).rpartition("-")
        if kind_of(recorded.messages) != kind:
            raise ValueError(f"{asked}: a prompt of {kind_of(recorded.messages)}, not of {kind}")
        if written(recorded.messages) != asked.with_suffix(".txt").read_text("utf-8"):
            raise ValueError(f"{asked}: another prompt than in {asked.stem}.txt")
        read = KINDS[kind].read(recorded)
        found[f"{kind}-{number}"] = read.reason if isinstance(read, Rejected | Refused) else ""
        whole = prompt | {"reply": recorded.reply}
        file = folder / f"{kind}-{number}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return found


if __name__ == "__main__":
    for name, reason in take(Path(sys.argv[1]), Path(sys.argv[2])).items():
        print(name, reason or "is read")
