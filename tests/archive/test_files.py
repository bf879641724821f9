"""Files that are not what they should be: one clear error each, and nothing is lost."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive, default_path
from metasearch.campaign import Campaign
from metasearch.candidate import Artifact, Candidate, EvaluationResult
from metasearch.errors import ArchiveError, UsageError
from metasearch.exchange import Message, Usage

Propose = Callable[..., Candidate]
MakeCampaign = Callable[..., Campaign]
Result = Callable[..., EvaluationResult]


@pytest.fixture
def filled(path: Path, make_campaign: MakeCampaign, result: Result) -> Path:
    """A closed archive with something of everything in it."""
    from metasearch.program import Program

    with Archive.open(path, create=True) as archive:
        run = archive.create(make_campaign())
        for number in range(30):
            step = run.open_step().number
            message = Message(role="user", content=f"improve {number} " * 50)
            run.begin_exchange(step, 0, role="propose", model="m", messages=[message])
            run.answer_exchange(step, 0, reply="r" * 500 + str(number), usage=Usage())
            program = Program(files={"a.py": f"x = {number}\n" * 50})
            parents = [number - 1] if number else []
            run.queue_candidate(step, 0, program, parents=parents, operator="evolve")
            drawing = Artifact(name="a.svg", media_type="image/svg+xml", content=b"<svg/>" * number)
            run.settle(number, result(float(number), stdout="out" * 90, artifacts=(drawing,)))
            run.end_step(step)
    return path


def read_everything(path: Path) -> int:
    with Archive.open(path, read_only=True) as archive:
        seen = 0
        for name in [*archive.unreadable(), *(run.id for run in archive.campaigns())]:
            run = archive.campaign(name)
            run.resolved()
            run.curve()
            run.held()
            for candidate in run.candidates():
                seen += 1
                run.program(candidate)
                run.output(candidate)
                run.evaluations_of(candidate.number)
                run.artifacts(candidate.number)
                run.exchanges_of(candidate.number)
                run.lineage(candidate.number)
            seen += len(run.events(limit=10_000)) + len(run.unfinished_steps())
        return seen


def test_a_missing_archive_is_named_and_not_made(path: Path) -> None:
    for options in ({}, {"read_only": True}, {"read_only": True, "create": True}):
        with pytest.raises(ArchiveError, match=f"no archive at {path}.*metasearch run"):
            Archive.open(path, **options)
    assert not path.exists()
    with pytest.raises(ArchiveError, match="to upgrade"):
        Archive.upgrade(path)


def test_the_folder_is_made_with_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "archive.db"
    with Archive.open(path, create=True):
        assert path.exists()


def test_an_empty_file_becomes_an_archive_only_when_asked(path: Path) -> None:
    path.touch()
    with pytest.raises(ArchiveError, match="no archive"):
        Archive.open(path)
    with Archive.open(path, create=True) as archive:
        assert archive.campaigns() == []


@pytest.mark.parametrize("content", [b"Dear diary", b"SQLite format 2\x00", b"\x00" * 4096])
def test_a_file_that_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for create in (False, True):
        with pytest.raises(ArchiveError, match=r"no SQLite database.*--archive"):
            Archive.open(path, create=create)
    with pytest.raises(ArchiveError, match="no SQLite database"):
        Archive.upgrade(path)
    assert path.read_bytes() == content


def test_a_folder_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is a folder"):
        Archive.open(tmp_path, create=True)


def test_another_programs_database_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES (1)")
    connection.close()
    before = path.read_bytes()
    for create in (False, True):
        with pytest.raises(ArchiveError, match="another program"):
            Archive.open(path, create=create)
    assert path.read_bytes() == before


def test_a_newer_schema_asks_for_a_newer_program(filled: Path) -> None:
    connection = sqlite3.connect(filled)
    connection.execute("UPDATE alembic_version SET version_num = '7777'")
    connection.commit()
    connection.close()
    for attempt in (Archive.open, Archive.upgrade):
        with pytest.raises(ArchiveError, match=r"7777.*pip install --upgrade metasearch"):
            attempt(filled)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM score; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE extra (a INTEGER) STRICT",
        "DROP TABLE artifact",
        "DROP INDEX candidate_gain",
        "ALTER TABLE candidate ADD COLUMN x INTEGER",
        "DROP TABLE lease; CREATE TABLE lease (campaign, token)",
        "DELETE FROM alembic_version",
        "DROP TABLE alembic_version",
    ],
)
def test_a_tampered_schema_is_refused(filled: Path, change: str) -> None:
    connection = sqlite3.connect(filled)
    connection.executescript(change)
    connection.close()
    with pytest.raises(ArchiveError, match="damaged"):
        Archive.open(filled)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE settings SET settings = '{}'",
        "UPDATE settings SET settings = 'not json'",
        "UPDATE candidate SET outcome = 'brilliant'",
        "UPDATE exchange SET state = 'unheard of'",
        "UPDATE exchange SET parameters = printf('%s%.*c%s', '{\"a\":', 100000, '[', '}')",
        "UPDATE evaluation SET split = 'train'",
        "UPDATE candidate_file SET path = '../../etc/passwd'",
        "UPDATE candidate_file SET path = CAST(x'ff41' AS TEXT)",
        "UPDATE blob SET data = x'28b52ffd', zstd = 1",
        "UPDATE score SET samples = -1",
    ],
)
def test_invalid_values_are_damage(filled: Path, change: str) -> None:
    connection = sqlite3.connect(filled)
    connection.execute(change)
    connection.commit()
    connection.close()
    with pytest.raises(ArchiveError, match=r"damaged|not valid"):
        read_everything(filled)


def test_a_circle_of_parents_ends(run: CampaignArchive, propose: Propose) -> None:
    propose("a", 1.0)
    propose("b", 1.0, 0)
    run._database.connection.execute("INSERT INTO lineage VALUES (1, 0, 0, 1)")
    assert [c.number for c in run.lineage(1)] == [1, 0]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_archive_is_damaged(filled: Path, share: float) -> None:
    content = filled.read_bytes()
    filled.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ArchiveError, match=r"damaged.*\.recover"):
        read_everything(filled)


def test_no_flipped_bytes_get_past_the_errors(filled: Path, tmp_path: Path) -> None:
    chance = random.Random(5)
    content = filled.read_bytes()
    copy = tmp_path / "copy.db"
    damaged = 0
    for _ in range(60):
        changed = bytearray(content)
        for _ in range(chance.choice([1, 20, 400])):
            changed[chance.randrange(100, len(changed))] = chance.randrange(256)
        copy.write_bytes(changed)
        try:
            read_everything(copy)
        except (ArchiveError, KeyError):
            damaged += 1
    assert damaged > 20


@pytest.mark.parametrize("settings", ["{", '{"task": "t", "objectives": {"a": "upwards"}}'])
def test_one_unreadable_run_leaves_the_others_usable(
    path: Path, make_campaign: MakeCampaign, settings: str
) -> None:
    with Archive.open(path, create=True) as archive:
        runs = [archive.create(make_campaign()) for _ in range(3)]
    with sqlite3.connect(path) as connection:
        which = "(SELECT key FROM campaign WHERE id = ?)"
        connection.execute(
            f"UPDATE settings SET settings = ? WHERE campaign = {which}", (settings, runs[1].id)
        )
    connection.close()
    with Archive.open(path, read_only=True) as archive:
        assert [summary.id for summary in archive.campaigns()] == [runs[2].id, runs[0].id]
        assert archive.unreadable() == [runs[1].id]
        assert archive.find("packing").id == runs[2].id
        with pytest.raises(ArchiveError, match=f"run {runs[1].id} .*not valid") as caught:
            archive.campaign(runs[1].id)
    assert "damaged" not in str(caught.value)


def test_a_closed_archive_is_a_bug_not_a_damaged_file(archive: Archive) -> None:
    archive.close()
    with pytest.raises(sqlite3.ProgrammingError):
        archive.campaigns()


def test_a_locked_archive_says_so_and_works_afterwards(
    path: Path, archive: Archive, run: CampaignArchive
) -> None:
    hog = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
            "c.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()",
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert hog.stdout is not None
    assert hog.stdout.readline() == b"locked\n"
    try:
        with pytest.raises(ArchiveError, match=r"locked by another process for 0\.2 seconds"):
            Archive.open(path, busy_seconds=0.2)
        with Archive.open(path, read_only=True, busy_seconds=0.2) as reader:
            assert reader.find("packing").id == run.id
    finally:
        hog.communicate()
    assert run.open_step().number == 0


def test_a_reader_cannot_write(path: Path, run: CampaignArchive) -> None:
    with Archive.open(path, read_only=True) as archive:
        reader = archive.campaign(run.id)
        with pytest.raises(ArchiveError, match="read-only"):
            reader.open_step()


def sandboxed(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that may mount, in namespaces of its own."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("mounting needs 'unshare', which this machine lacks")
    spaces = [unshare, "--user", "--map-root-user", "--mount"]
    probe = subprocess.run([*spaces, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    if probe.returncode:
        pytest.skip(f"mounting is not permitted here: {probe.stderr.decode().strip()}")
    command = [*spaces, sys.executable, "-c", textwrap.dedent(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


READ_ONLY = """
    import subprocess, sys
    from pathlib import Path
    from metasearch.archive import Archive
    from metasearch.errors import ArchiveError
    path = Path(sys.argv[1])
    folder = str(path.parent)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    for attempt in (path, path.with_name("new.db")):
        try:
            Archive.open(attempt, create=True)
        except ArchiveError as error:
            print(error)
    with Archive.open(path, read_only=True) as archive:
        run = archive.campaign("packing")
        print(len(list(run.candidates())), "candidates")
"""


@pytest.mark.slow
def test_a_read_only_folder_can_be_read_and_says_why_not_written(filled: Path) -> None:
    done = sandboxed(READ_ONLY, str(filled))
    assert done.stderr == ""
    refused, not_made, read = done.stdout.splitlines()
    for message in (refused, not_made):
        assert "read-only" in message
        assert "--archive FILE" in message
    assert read == "30 candidates"


DISK_FULL = """
    import subprocess, sys
    from pathlib import Path
    from metasearch.archive import Archive
    from metasearch.campaign import Campaign
    from metasearch.errors import ArchiveError
    from metasearch.program import Program
    folder, campaign = Path(sys.argv[1]), Campaign.model_validate_json(sys.argv[2])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", folder], check=True)
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(2_000_000))

    def fill(run, number):
        with run.hold():
            while True:
                step = run.open_step().number
                text = "".join(str(hash((number, i))) for i in range(1000))
                program = Program(files={"a.py": text})
                run.queue_candidate(step, 0, program, operator="evolve", thought=text[:5000])
                number += 1
                print(number, flush=True)

    archive = Archive.open(folder / "archive.db", create=True)
    run = archive.create(campaign)
    try:
        fill(run, 0)
    except ArchiveError as error:
        print(error)
    stored = len(run.queued())
    ballast.unlink()
    for again in (run, Archive.open(folder / "archive.db").campaign(run.id)):
        assert len(again.queued()) == stored
        with again.hold():
            again.open_step()
    with archive._database.reading() as connection:
        print(connection.execute("PRAGMA integrity_check").fetchone()[0])
        print(connection.execute("PRAGMA foreign_key_check").fetchall())
        print(connection.execute("SELECT candidates FROM progress").fetchone()[0] == stored)
"""


@pytest.mark.slow
def test_a_full_disk_loses_nothing_and_the_campaign_goes_on(
    tmp_path: Path, make_campaign: MakeCampaign
) -> None:
    done = sandboxed(DISK_FULL, str(tmp_path), make_campaign().model_dump_json())
    assert done.stderr == ""
    *numbers, message, integrity, references, counted = done.stdout.splitlines()
    assert numbers
    assert "is full" in message
    assert (integrity, references, counted) == ("ok", "[]", "True")


def test_the_default_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METASEARCH_ARCHIVE", str(tmp_path / "x.db"))
    assert default_path() == tmp_path / "x.db"
    monkeypatch.delenv("METASEARCH_ARCHIVE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path() == tmp_path / "metasearch" / "archive.db"


def test_campaigns_are_found_by_name_and_id(archive: Archive, make_campaign: MakeCampaign) -> None:
    with pytest.raises(UsageError, match="none yet"):
        archive.find("packing")
    first = archive.create(make_campaign())
    second = archive.create(make_campaign())
    archive.create(make_campaign("binning"))
    assert first.id != second.id
    assert first.id.startswith("packing-")
    assert len(first.id) == len("packing-") + 6
    assert archive.find("packing").id == second.id
    assert archive.find(first.id).id == first.id
    assert [s.name for s in archive.campaigns()] == ["binning", "packing", "packing"]
    assert [s.id for s in archive.campaigns("packing")] == [second.id, first.id]
    with pytest.raises(UsageError, match=r"'pakcing'.*Did you mean 'packing'"):
        archive.campaign("pakcing")
    with pytest.raises(UsageError, match="metasearch list"):
        archive.campaign("zzzzzz")


def test_a_campaign_comes_back_as_it_was_started(
    archive: Archive, make_campaign: MakeCampaign
) -> None:
    campaign = make_campaign(budget={"evaluations": 7, "usd": 1.5}, models={"judge": "m"})
    run = archive.campaign(archive.create(campaign).id)
    assert run.resolved() == campaign
    assert list(run.resolved().seed_program.files) == ["pack.py", "lib/a.py"]
    assert run.evaluator_digest == campaign.evaluator_digest
    summary = run.summary()
    assert summary.settings == campaign.settings
    assert summary.strategy == "map_elites"
    assert summary.models == ("offline/evolve", "m")
    assert summary.seed_digest == campaign.seed_program.digest
    assert (summary.evaluations, summary.best, summary.state) == (0, None, "paused")


def test_settings_may_change_but_not_what_best_means(
    archive: Archive, run: CampaignArchive, make_campaign: MakeCampaign
) -> None:
    larger = make_campaign(budget={"evaluations": 5000})
    run.update(larger)
    run.update(larger)
    assert run.resolved().settings == larger.settings
    assert archive.campaign(run.id).resolved().settings.budget.evaluations == 5000
    assert [(e.kind, e.detail) for e in run.events()][1:] == [("changed", "budget.evaluations")]
    with pytest.raises(UsageError, match=r"'radii'.*--fresh"):
        run.update(make_campaign(objectives={"time": "minimize", "radii": "maximize"}))


def test_another_evaluator_takes_the_place_of_the_first_one(
    archive: Archive, run: CampaignArchive, make_campaign: MakeCampaign
) -> None:
    first = run.resolved()
    mended = first.model_copy(update={"evaluator_files": {"evaluator.py": "mended", "x.py": ""}})
    run.update(mended)
    for reading in (run, archive.campaign(run.id)):
        assert reading.resolved() == mended
        assert reading.evaluator_digest == mended.evaluator_digest != first.evaluator_digest
    run.update(first)
    assert archive.campaign(run.id).resolved() == first
    assert [e.detail for e in run.events()][1:] == ["evaluator", "evaluator"]


def test_a_summary_says_what_a_campaign_has_come_to(
    run: CampaignArchive, propose: Propose, result: Result
) -> None:
    propose("a", 1.0)
    propose("b", 2.0)
    run.settle(propose("c").number, result(None))
    propose("a")
    summary = run.summary()
    assert summary.evaluations == 3
    assert {k: v for k, v in summary.outcomes.items() if v} == {
        "scored": 2,
        "crashed": 1,
        "rejected": 1,
    }
    assert summary.best == run.candidate(1)


def test_to_open_an_archive_again_leaves_the_locks_of_the_first(tmp_path: Path) -> None:
    """SQLite's locks are the process's, and any close of the file would drop them all."""
    path = tmp_path / "a.db"
    Archive.open(path, create=True).close()
    code = (
        "import sqlite3, sys\n"
        f"c = sqlite3.connect({str(path)!r}, timeout=0, isolation_level=None)\n"
        "c.execute('PRAGMA locking_mode = EXCLUSIVE')\n"
        "try: c.execute('PRAGMA journal_mode = DELETE').fetchone()\n"
        "except sqlite3.OperationalError: print('locked')\n"
    )
    with Archive.open(path, read_only=True) as first:
        first.campaigns()
        Archive.open(path, read_only=True).close()
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.stdout.strip() == "locked", told
