"""Whose large artifacts are kept."""

from __future__ import annotations

import hashlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.archive.attachments import LARGE
from metasearch.campaign import Campaign
from metasearch.candidate import Artifact, EvaluationResult, Split
from metasearch.program import Program

MakeCampaign = Callable[..., Campaign]
Result = Callable[..., EvaluationResult]

PICTURE = Artifact(name="a.svg", media_type="image/svg+xml", content=b"<svg/>")


def weights(number: int, size: int = 2 * LARGE) -> Artifact:
    """A checkpoint that cannot be compressed."""
    content = random.Random(number).randbytes(size)
    return Artifact(name="w.pt", media_type="application/octet-stream", content=content)


def measured(result: Result, radii: float | None, time: float = 3.0) -> EvaluationResult:
    """Scored by two objectives, the second of which is minimised."""
    found = result(radii)
    if radii is None:
        return found
    stage = found.stages[0]
    scores = {**stage.scores, "time": stage.scores["time"].model_copy(update={"value": time})}
    return found.model_copy(update={"stages": (stage.model_copy(update={"scores": scores}),)})


def add(run: CampaignArchive, found: EvaluationResult, size: int = 2 * LARGE) -> int:
    """One more candidate with a picture and a checkpoint."""
    step = run.open_step().number
    program = Program(files={"pack.py": f"x = {step}\n"})
    number = run.queue_candidate(step, 0, program, operator="evolve").number
    artifacts = (PICTURE, weights(number, size))
    run.settle(number, found.model_copy(update={"artifacts": artifacts}))
    run.end_step(step)
    return number


def kept(run: CampaignArchive) -> list[int]:
    """The candidates whose checkpoints can be read, all others being told of."""
    found = []
    for number in range(run.next_step()):
        picture, checkpoint = run.artifact_entries(number)
        assert picture.kept
        assert run.artifact(number, 0) == PICTURE
        size = checkpoint.size
        content = weights(number, size).content
        assert (checkpoint.name, checkpoint.media_type) == ("w.pt", "application/octet-stream")
        assert checkpoint.digest == hashlib.sha256(content).hexdigest()
        if checkpoint.kept:
            assert run.artifact(number, 1).content == content
            assert [a.name for a in run.artifacts(number)] == ["a.svg", "w.pt"]
            found.append(number)
        else:
            assert run.artifacts(number) == [PICTURE]
            with pytest.raises(KeyError, match=f"artifact 1 of #{number} was not kept"):
                run.artifact(number, 1)
    return found


def keeping(archive: Archive, make_campaign: MakeCampaign, **section: object) -> CampaignArchive:
    return archive.create(make_campaign(evaluator={"private": ["secret"], **section}))


def test_by_default_all_are_kept(run: CampaignArchive, result: Result) -> None:
    for radii in (2.0, 1.0, None):
        add(run, measured(result, radii))
    assert kept(run) == [0, 1, 2]


def test_none_are_kept_but_small_ones(
    archive: Archive, make_campaign: MakeCampaign, result: Result
) -> None:
    run = keeping(archive, make_campaign, keep_artifacts="none")
    for radii in (1.0, 2.0, None):
        add(run, measured(result, radii))
    assert kept(run) == []
    assert run.artifact_entries(1)[1].size == 2 * LARGE


def test_the_front_keeps_its_own_and_who_leaves_it_loses_them(
    archive: Archive, make_campaign: MakeCampaign, result: Result
) -> None:
    run = keeping(archive, make_campaign, keep_artifacts="elites")
    seen = []
    for radii, seconds in ((1.0, 5.0), (None, 0.0), (2.0, 6.0), (1.0, 5.0), (1.5, 4.0), (3.0, 4.0)):
        add(run, measured(result, radii, seconds))
        seen.append(kept(run))
    assert seen == [[0], [0], [0, 2], [0, 2], [2, 4], [5]]


def test_scores_of_a_cheap_stage_are_on_no_front(
    archive: Archive, make_campaign: MakeCampaign, result: Result
) -> None:
    run = keeping(archive, make_campaign, keep_artifacts="elites")
    add(run, measured(result, 1.0))
    cheap = measured(result, 9.0)
    stage = cheap.stages[0].model_copy(update={"passed": False})
    add(run, cheap.model_copy(update={"stages": (stage,)}))
    assert kept(run) == [0]


def test_another_engine_folds_the_front_again(
    path: Path, make_campaign: MakeCampaign, result: Result
) -> None:
    with Archive.open(path, create=True) as archive:
        run = archive.create(make_campaign())
        for radii in (1.0, 3.0, 2.0):
            add(run, measured(result, radii))
    campaign = make_campaign(evaluator={"private": ["secret"], "keep_artifacts": "elites"})
    with Archive.open(path) as archive:
        run = archive.campaign("packing")
        digest = run.evaluator_digest
        run.update(campaign)
        assert run.evaluator_digest == digest  # what is kept decides no score
        assert kept(run) == [0, 1, 2]
        add(run, measured(result, 2.5))
        assert kept(run) == [1]


def test_the_test_splits_go_with_their_candidate(
    archive: Archive, make_campaign: MakeCampaign, result: Result
) -> None:
    run = keeping(archive, make_campaign, keep_artifacts="elites")
    add(run, measured(result, 1.0))
    tested = measured(result, 0.5).model_copy(
        update={"split": Split.TEST, "artifacts": (weights(7),)}
    )
    run.record_test(0, tested)
    assert [entry.kept for entry in run.artifact_entries(0)] == [True, True, True]
    add(run, measured(result, 2.0))
    assert [entry.kept for entry in run.artifact_entries(0)] == [True, False, False]


def test_beyond_the_space_the_worst_go_first(
    archive: Archive, make_campaign: MakeCampaign, result: Result
) -> None:
    run = keeping(archive, make_campaign, artifact_space=5 * LARGE)
    seen = []
    for radii in (2.0, None, 3.0, 1.0, 4.0):
        add(run, measured(result, radii))
        seen.append(kept(run))
    assert seen == [[0], [0, 1], [0, 2], [0, 2], [2, 4]]
    add(run, measured(result, 9.0), size=6 * LARGE)
    assert kept(run) == []


def test_what_is_dropped_makes_room_in_the_file(
    path: Path, make_campaign: MakeCampaign, result: Result
) -> None:
    with Archive.open(path, create=True) as archive:
        run = keeping(archive, make_campaign, keep_artifacts="elites")
        for radii in range(40):
            add(run, measured(result, float(radii)), size=500_000)
    assert path.stat().st_size < 5_000_000


def test_what_was_changed_in_the_file_is_damage(
    path: Path, make_campaign: MakeCampaign, result: Result
) -> None:
    from metasearch.errors import ArchiveError

    with Archive.open(path, create=True) as archive:
        add(archive.create(make_campaign()), measured(result, 1.0))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE large_artifact SET data = zeroblob(length(data))")
    connection.commit()
    connection.close()
    with Archive.open(path) as archive, pytest.raises(ArchiveError, match="not what was stored"):
        archive.campaign("packing").artifact(0, 1)


WRITE = """
import random, sys
from metasearch.archive import Archive
from metasearch.candidate import Artifact, EvaluationResult, Outcome, Score, StageResult
from metasearch.program import Program

run = Archive.open(sys.argv[1]).campaign("packing")
with run.hold():
    for record in run.unfinished_steps():
        run.end_step(record.number)
    for candidate in run.queued():
        run.settle(candidate.number, EvaluationResult(outcome=Outcome.CRASHED, error="again"))
    while True:
        step = run.open_step().number
        program = Program(files={"a.py": f"x = {step}"})
        number = run.queue_candidate(step, 0, program, operator="evolve").number
        value = float(number)
        score = Score(value=value, low=value, high=value)
        stage = StageResult(stage="s", scores={"radii": score}, passed=True, seconds=0.0)
        content = random.Random(number).randbytes(400_000)
        artifact = Artifact(name="w.pt", media_type="a/b", content=content)
        result = EvaluationResult(outcome=Outcome.SCORED, stages=(stage,), artifacts=(artifact,))
        run.settle(number, result)
        print(number, flush=True)
        run.end_step(step)
"""


@pytest.mark.slow
def test_killed_at_any_instant_exactly_the_elite_has_its_content(
    path: Path, make_campaign: MakeCampaign
) -> None:
    with Archive.open(path, create=True) as archive:
        archive.create(
            make_campaign(objectives={"radii": "maximize"}, evaluator={"keep_artifacts": "elites"})
        )
    chance = random.Random(5)
    for _ in range(5):
        command = [sys.executable, "-c", WRITE, str(path)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.1))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        with Archive.open(path, read_only=True) as archive:
            run = archive.campaign("packing")
            best = run.best()[0].number
            for candidate in run.candidates():
                entries = run.artifact_entries(candidate.number)
                assert [e.kept for e in entries] == [candidate.number == best] * len(entries)
            assert run.artifact(best, 0).content == random.Random(best).randbytes(400_000)
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
    assert best >= 5
