"""What novelty before evaluation costs at 50,000 candidates, and what a threshold would refuse.

    python -m benchmarks.novelty cost [--large 50000]
        [--measures identity shingles embedding]
    python -m benchmarks.novelty refused ARCHIVE CAMPAIGN [...]

``cost`` fills archives with programs of one lineage, which are as alike as programs of a
search are, and times one comparison and one entry in each. ``refused`` takes campaigns that
were run without a threshold, and tells for several thresholds which share of their scored
candidates would have been refused, and how many of those were better than their neighbour or
the best so far: what a threshold would have thrown away.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.workload import verdict
from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign, CampaignFile, NoveltySection
from metasearch.engine.gate import Gate
from metasearch.engine.novelty import Novelty
from metasearch.engine.observer import Silent
from metasearch.engine.outage import Outage
from metasearch.operators.identity import identity
from metasearch.operators.novelty import Shingles
from metasearch.program import Program
from metasearch.testing.scripted import ScriptedModels

SMALL, TIMED, RATIO = 500, 200, 1.5
SOURCE = Path(__file__).parents[1] / "examples" / "circle_packing" / "program.py"
THRESHOLDS = (0.8, 0.9, 0.95, 0.98, 0.99)

MEASURES = {
    "identity": NoveltySection(),
    "shingles": NoveltySection(threshold=0.95),
    "embedding": NoveltySection(threshold=0.99, measure="embedding"),
}


def main() -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    cost_of = commands.add_parser("cost")
    cost_of.add_argument("--large", type=int, default=50_000)
    cost_of.add_argument("--measures", nargs="+", choices=MEASURES, default=list(MEASURES))
    refused_of = commands.add_parser("refused")
    refused_of.add_argument("archive", type=Path)
    refused_of.add_argument("campaigns", nargs="+")
    chosen = parser.parse_args()
    if chosen.command == "cost":
        return cost(chosen.large, chosen.measures)
    with Archive.open(chosen.archive, read_only=True) as archive:
        for name in chosen.campaigns:
            refused(archive.campaign(name))
    return 0


def cost(large: int, measures: Sequence[str]) -> int:
    """Time comparisons in a small and in a large archive."""
    kept = []
    for name in measures:
        times = {size: _timed(MEASURES[name], size) for size in (SMALL, large)}
        for size, (look, nearest, add) in times.items():
            print(
                f"{name}, {size} candidates: {look:.2f} ms to read the program, {nearest:.2f} ms "
                f"to compare it, {add:.2f} ms to enter it"
            )
        # Reading a program knows nothing of the archive; the rest does.
        rest = {size: nearest + add for size, (_, nearest, add) in times.items()}
        kept.append(verdict(f"{name}, {large} to {SMALL}", rest[large] / rest[SMALL], RATIO))
    return 0 if all(kept) else 1


def _timed(section: NoveltySection, size: int) -> tuple[float, float, float]:
    """Medians of milliseconds."""
    rng = random.Random(0)
    source = SOURCE.read_text("utf-8")
    settings = CampaignFile.model_validate(
        {"task": "t", "objectives": {"score": "maximize"}, "novelty": section}
    )
    campaign = Campaign(
        name="novelty",
        folder=Path("/"),
        settings=settings,
        seed_program=Program(files={"program.py": source}),
        evaluator_files={},
    )
    with (
        tempfile.TemporaryDirectory() as scratch,
        Archive.open(Path(scratch) / "archive.db", create=True) as archive,
    ):
        run = archive.create(campaign)
        models = ScriptedModels(run, lambda messages: "")
        novelty = Novelty(section, run, models, Outage(run, Gate(), Silent()))
        step = run.open_step().number
        line = [source]
        looks, compared, entered = [], [], []
        for number in range(size + TIMED):
            text = _changed(rng.choice(line[-50:]), rng)
            line.append(text)
            program = Program(files={"program.py": text})
            times = [time.perf_counter()]
            look = asyncio.run(novelty.look(program, step, number))
            times.append(time.perf_counter())
            near = novelty.nearest(look) if number >= size else None
            times.append(time.perf_counter())
            candidate = run.queue_candidate(step, number, program, operator="x", near=near)
            if candidate.outcome is None:
                before = time.perf_counter()
                novelty.add(candidate.number, look)
                entered.append(time.perf_counter() - before)
            looks.append(times[1] - times[0])
            compared.append(times[2] - times[1])
    parts = (looks[-TIMED:], compared[-TIMED:], entered[-TIMED:])
    first, second, third = (statistics.median(part) * 1e3 for part in parts)
    return first, second, third


def _changed(text: str, rng: random.Random) -> str:
    """The program with one line replaced, doubled or left out, and with the numbers it had."""
    lines = text.splitlines()
    place = rng.randrange(2, len(lines))
    word = "".join(rng.choices("abcdefgh", k=6))
    indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
    lines[place : place + 1] = [f"{indent}{word} = {word[:3]} + {word[3:]}"]
    return "\n".join(lines[:80]) + "\n"


def refused(run: CampaignArchive) -> None:
    """Compare every scored candidate with all before it."""
    objective = run.resolved().objectives[0].name
    sign = 1 if run.resolved().settings.objectives[objective] == "maximize" else -1
    seen: list[tuple[Shingles, float, int]] = []
    rows: list[tuple[float, bool, bool, bool]] = []
    best = float("-inf")
    for candidate in run.candidates():
        if not candidate.scored:
            continue
        program = run.program(candidate)
        sketch, gain = Shingles.of(program, 16), sign * candidate.scores[objective]
        same = identity(program)
        nearest = max(
            ((sketch.similarity(other), g, s == same) for other, g, s in seen),
            default=(0.0, 0.0, False),
        )
        rows.append((nearest[0], nearest[2], gain > nearest[1], gain > best))
        best = max(best, gain)
        seen.append((sketch, gain, same))
    print(f"{run.id}: {len(rows)} scored, {sum(new for *_, new in rows)} times a new best")
    print(f"  the same but for names and layout: {sum(same for _, same, _, _ in rows)}")
    for threshold in THRESHOLDS:
        hit = [row for row in rows if row[0] >= threshold]
        print(
            f"  from {threshold:g}: {len(hit)} refused ({len(hit) / max(1, len(rows)):.1%}), "
            f"{sum(row[2] for row in hit)} of them better than the neighbour, "
            f"{sum(row[3] for row in hit)} a new best"
        )


if __name__ == "__main__":
    sys.exit(main())
