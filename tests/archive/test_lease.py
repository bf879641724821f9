"""One engine per campaign, with real processes that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.archive.lease import Process
from metasearch.candidate import Candidate
from metasearch.errors import ArchiveError, CampaignBusy

Propose = Callable[..., Candidate]
Start = Callable[[], "subprocess.Popen[str]"]

HOLD = """
import sys, time
from metasearch.archive import Archive
with Archive.open(sys.argv[1]) as archive, archive.campaign("packing").hold() as run:
    step = run.open_step().number
    run.begin_exchange(step, 0, role="propose", model="m", messages=[], reserved_usd=0.5)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def start(path: Path, run: CampaignArchive) -> Iterator[Start]:
    """Starts an engine process that holds the campaign until its stdin closes."""
    started: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def touch(run: CampaignArchive, change: str, *values: object) -> None:
    run._database.connection.execute(f"UPDATE lease SET {change}", values)


def test_a_campaign_is_held_once(archive: Archive, run: CampaignArchive) -> None:
    with run.hold():
        for other in (run, archive.campaign(run.id)):
            with (
                pytest.raises((CampaignBusy, ValueError), match=r"holds|being run"),
                other.hold(),
            ):
                pytest.fail("held twice")
        assert run.summary().state == "running"
    with archive.campaign(run.id).hold():
        pass
    other_run = archive.create(run.resolved())
    with run.hold(), other_run.hold():
        pass


@pytest.mark.slow
def test_the_holder_is_named_and_freed_when_it_ends(run: CampaignArchive, start: Start) -> None:
    engine = start()
    expected = rf"{run.id}.*process {engine.pid} on .*heard of \d+ s ago.*--fresh"
    with pytest.raises(CampaignBusy, match=expected), run.hold():
        pytest.fail("held twice")
    summary = run.summary()
    assert summary.state == "running"
    assert f"process {engine.pid}" in summary.holder
    engine.communicate()
    assert run.summary().state == "paused"
    with run.hold():
        assert run.summary().state == "running"


@pytest.mark.slow
@pytest.mark.parametrize("reaped", [True, False])
def test_a_killed_engine_is_replaced_at_once(
    run: CampaignArchive, start: Start, reaped: bool
) -> None:
    engine = start()
    engine.send_signal(signal.SIGKILL)
    if reaped:
        engine.wait()
    else:  # a zombie: its parent has not asked for it yet
        while Path(f"/proc/{engine.pid}/stat").read_text().split(") ")[1][0] != "Z":
            time.sleep(0.01)
    assert run.summary().state == "interrupted"
    with run.hold():
        assert run.mark_lost() == 1
        assert run.held().usd == 0.5
        assert [step.number for step in run.unfinished_steps()] == [0]
    assert run.summary().state == "paused"


@pytest.mark.slow
def test_a_stopped_engine_is_replaced_after_a_minute_and_finds_out(
    run: CampaignArchive, start: Start, path: Path
) -> None:
    engine = start()
    touch(run, "beat = beat - 50")
    with pytest.raises(CampaignBusy), run.hold():
        pytest.fail("too early")
    touch(run, "beat = beat - 11")
    with run.hold():
        engine.communicate()  # its release at the end must not end ours
        assert run.summary().state == "running"
        run.beat()
        assert engine.returncode == 0


def test_a_pid_that_is_used_again_is_not_the_holder(run: CampaignArchive) -> None:
    parent = os.getppid()
    with run.hold():
        touch(run, "released = 0, pid = ?, started = started + 12345", parent)
    touch(run, "released = 0")
    assert run.summary().state == "interrupted"
    with run.hold():
        pass


def test_another_machines_process_counts_as_alive_for_a_minute(run: CampaignArchive) -> None:
    with run.hold():
        pass
    touch(run, "released = 0, token = 'other', machine = 'elsewhere', host = 'far', pid = 1")
    assert run.summary().holder == "process 1 on far"
    with pytest.raises(CampaignBusy, match="process 1 on far"), run.hold():
        pytest.fail("held twice")
    touch(run, "beat = beat - 61")
    assert run.summary().state == "interrupted"
    with run.hold():
        pass


def test_an_engine_that_was_taken_over_writes_nothing_more(
    archive: Archive, run: CampaignArchive, propose: Propose
) -> None:
    with run.hold():
        propose("a", 1.0)
        touch(run, "beat = beat - 61")
        successor = archive.campaign(run.id)
        with successor.hold():
            before = successor.events(limit=10_000)
            writes: list[Callable[[], object]] = [run.open_step, run.beat, lambda: run.end_step(0)]
            for write in writes:
                with pytest.raises(CampaignBusy, match="taken over"):
                    write()
            with pytest.raises(CampaignBusy, match="taken over"):
                propose("b")
            assert successor.events(limit=10_000) == before
            successor.open_step()


def test_settings_of_a_running_campaign_stay(archive: Archive, run: CampaignArchive) -> None:
    other = archive.campaign(run.id)
    campaign = run.resolved()
    larger = campaign.model_copy(update={"folder": Path("/elsewhere")})
    with run.hold():
        with pytest.raises(CampaignBusy):
            other.update(larger)
        run.update(larger)
    assert other.resolved() == campaign
    assert archive.campaign(run.id).resolved() == larger


def test_states_and_reasons(run: CampaignArchive) -> None:
    def state() -> tuple[str, str]:
        summary = run.summary()
        return summary.state, summary.reason

    with run.hold():
        assert state() == ("running", "")
        run.pause("interrupted")
    assert state() == ("paused", "interrupted")
    with run.hold():
        assert state() == ("running", "")
        run.finish("evaluations")
    assert state() == ("finished", "evaluations")
    with run.hold():
        run.reopen()
    assert state() == ("paused", "")


def test_engine_time_is_counted_while_holding_only(
    run: CampaignArchive, propose: Propose, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("metasearch.archive.core.time.monotonic", lambda: clock[0])
    run.open_step()
    clock[0] += 50
    assert run.seconds() == 0.0
    with run.hold():
        clock[0] += 7
        assert run.seconds() == pytest.approx(7)
        propose("a", 1.0)
        clock[0] += 2
        run.beat()
        clock[0] += 1
        assert run.seconds() == pytest.approx(10)
    clock[0] += 1000
    assert run.seconds() == pytest.approx(10)
    assert run.summary().seconds == pytest.approx(10)
    assert run.curve()[0].seconds == pytest.approx(7)


def test_an_error_in_the_block_releases_and_stays_the_error(
    run: CampaignArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError, match="mine"), run.hold():
        raise RuntimeError("mine")
    assert run.summary().state == "paused"

    def full(self: CampaignArchive) -> None:
        raise ArchiveError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(CampaignArchive, "_release", full)
        with pytest.raises(RuntimeError, match="mine") as caught, run.hold():
            raise RuntimeError("mine")
    assert caught.value.__notes__ == ["disk full"]
    with run.hold():  # the same process may try again
        pass


def test_this_process_is_not_gone() -> None:
    assert not Process.current().is_gone()


def test_beating_needs_holding(run: CampaignArchive) -> None:
    with pytest.raises(ValueError, match="inside hold"):
        run.beat()
