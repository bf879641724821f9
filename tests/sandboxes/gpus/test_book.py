"""The book of leases: never more than there is, whoever books and however they die."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metasearch.errors import PrerequisiteError
from metasearch.sandboxes.gpus.book import UNITS, Book, Booking, machine_folder, units_of

UUID = "GPU-1"


@pytest.mark.parametrize(
    ("gpus", "fit"), [(1, 1), (3, 1), (0.5, 2), (0.333, 3), (0.25, 4), (0.125, 8), (0.6, 1)]
)
def test_as_many_parts_fit_as_a_person_would_think(tmp_path: Path, gpus: float, fit: int) -> None:
    book = Book(tmp_path)
    held = []
    while (booking := book.book(UUID, units_of(gpus))) is not None:
        held.append(booking)
    assert len(held) == fit
    for booking in held:
        booking.close()
    assert book.taken(UUID) == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(1, UNITS), st.integers(0, 5))))
def test_parts_of_any_size_never_overlap_and_gaps_are_filled(
    tmp_path: Path, plan: list[tuple[int, int]]
) -> None:
    first, second = Book(tmp_path), Book(tmp_path)
    held: list[Booking] = []
    for step, (units, victim) in enumerate(plan):
        free = UNITS - sum(booking.units for booking in held)
        assert first.taken(UUID) == UNITS - free
        booking = (first, second)[step % 2].book(UUID, units)
        assert (booking is not None) == (units <= free)
        if booking is not None:
            held.append(booking)
        elif held:
            held.pop(victim % len(held)).close()
    for booking in held:
        booking.close()


def test_a_device_in_quarantine_stays_there_until_its_note_is_removed(tmp_path: Path) -> None:
    Book(tmp_path).quarantine(UUID, "XID 79")
    book = Book(tmp_path)
    assert book.quarantined(UUID) == "XID 79"
    assert book.quarantined("GPU-2") == ""
    book.note(UUID).unlink()
    assert book.quarantined(UUID) == ""


def test_only_one_books_at_a_time_and_nobody_waits(tmp_path: Path) -> None:
    book = Book(tmp_path)
    with book.alone() as first, Book(tmp_path).alone() as second:
        assert (first, second) == (True, False)
    with book.alone() as again:
        assert again


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "book").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PrerequisiteError, match="cannot be kept"):
        Book(tmp_path / "book")


def test_all_users_of_a_machine_use_the_same_folder(tmp_path: Path) -> None:
    assert machine_folder() in (Path("/run/lock/metasearch-gpus"), Path("/tmp/metasearch-gpus"))
    book = Book(tmp_path / "book")
    book.taken(UUID)
    assert (tmp_path / "book").stat().st_mode & 0o7777 == 0o1777
    assert (tmp_path / "book" / UUID).stat().st_mode & 0o777 == 0o666


CONTENDER = """
    import os, random, sys, time
    from pathlib import Path
    from metasearch.sandboxes.gpus.book import Book
    book, log = Book(Path(sys.argv[1])), os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND)
    chance = random.Random(int(sys.argv[3]))
    print("ready", flush=True)
    rounds = 0
    while rounds < 150:
        units = chance.choice((210, 280, 420, 840))
        with book.alone() as alone:
            booking = book.book("GPU-1", units) if alone else None
            if booking is not None:
                os.write(log, b"+%d\\n" % units)
        if booking is None:
            time.sleep(0.0005)
            continue
        rounds += 1
        time.sleep(chance.random() / 500)
        os.write(log, b"-%d\\n" % units)
        booking.close()
"""


def _start(code: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_processes_that_contend_never_have_more_than_there_is(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    contenders = [_start(CONTENDER, str(tmp_path), str(log), str(n)) for n in range(3)]
    for contender in contenders:
        with contender:
            assert contender.wait(60) == 0
    taken = most = together = 0
    for line in log.read_text().splitlines():
        taken += int(line)
        most = max(most, taken)
        together += taken > int(line) > 0
        assert 0 <= taken <= UNITS
    assert taken == 0
    assert most == UNITS
    assert together > 10, "they have shared the device at times"


@pytest.mark.slow
def test_what_a_killed_process_had_is_free_at_once(tmp_path: Path) -> None:
    holder = _start(
        """
        import sys, time
        from pathlib import Path
        from metasearch.sandboxes.gpus.book import Book
        booking = Book(Path(sys.argv[1])).book("GPU-1", 840)
        print("ready", flush=True)
        time.sleep(60)
        """,
        str(tmp_path),
    )
    book = Book(tmp_path)
    with holder:
        assert book.taken(UUID) == UNITS
        assert book.book(UUID, 1) is None
        os.kill(holder.pid, signal.SIGKILL)
    until = time.monotonic() + 5
    while book.taken(UUID) and time.monotonic() < until:
        time.sleep(0.001)
    booking = book.book(UUID, UNITS)
    assert booking is not None
    with contextlib.closing(booking):
        assert book.taken(UUID) == UNITS
