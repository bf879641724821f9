"""One engine per campaign: a lease with a heartbeat that dies with its holder.

A dead process of this machine is known at once by its pid and start time. Any other holder
counts as dead when it has not been heard of for :data:`STALE_SECONDS`. A holder that was
only asleep finds out at its next write, which is refused.
"""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from metasearch.archive.core import Core, stored_text
from metasearch.archive.facts import State
from metasearch.errors import ArchiveError, CampaignBusy

STALE_SECONDS = 60.0
"""Silence after which a holder that cannot be looked up counts as dead."""

_HELD: set[str] = set()
"""Tokens of the leases that this process holds."""

_LEASE = "SELECT * FROM lease WHERE campaign = ?"
_TAKE = """
INSERT INTO lease (campaign, token, host, machine, pid, started, beat, released)
VALUES (:campaign, :token, :host, :machine, :pid, :started, :beat, 0)
ON CONFLICT (campaign) DO UPDATE SET token = :token, host = :host, machine = :machine,
    pid = :pid, started = :started, beat = :beat, released = 0
"""
_BEAT = "UPDATE lease SET beat = ? WHERE campaign = ? AND token = ?"
_RELEASE = "UPDATE lease SET released = 1 WHERE campaign = ? AND token = ?"
_END = "UPDATE progress SET ended = ?, reason = ? WHERE campaign = ?"
_UNPAUSE = (
    "UPDATE progress SET ended = NULL, reason = '' WHERE campaign = ? AND ended <> 'finished'"
)


class Process(NamedTuple):
    """A process, so that it can be told from a later one with its pid."""

    host: str
    machine: str
    """Boot id and pid namespace; the pid means something only within them."""
    pid: int
    started: int
    """Clock ticks after boot."""

    @classmethod
    def current(cls) -> Process:
        """This process."""
        pid = os.getpid()
        started = _start_of(pid)
        return cls(socket.gethostname(), _machine(), pid, -1 if started is None else started)

    def is_gone(self) -> bool:
        """Whether it surely runs no more; ``False`` also when this cannot be known."""
        if not self.machine or self.machine != _machine():
            return False
        return _start_of(self.pid) != self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _start_of(pid: int) -> int | None:
    """When a process started, in ticks after boot; ``None`` if it is dead."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name stands in brackets and may hold anything; the state follows it.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def holder(row: sqlite3.Row | None) -> Process | None:
    """The live process that a lease row belongs to, if there is one."""
    if row is None or row["released"]:
        return None
    process = Process(row["host"], row["machine"], row["pid"], row["started"])
    if process == Process.current() and row["token"] not in _HELD:
        return None  # Left by this very process, which could not write its release.
    silent = time.time() - row["beat"] > STALE_SECONDS
    return None if silent or process.is_gone() else process


_ALIVE: dict[str | None, State] = {"paused": "waiting", "held": "paused"}
"""States of a campaign that an engine holds, by what it has said last."""


def state_of(progress: sqlite3.Row, lease: sqlite3.Row | None, *, alive: bool) -> State:
    """A campaign's state, by its counters, its lease and whether the holder is alive."""
    if alive:
        return _ALIVE.get(progress["ended"], "running")
    if progress["ended"] == "finished":
        return "finished"
    return "interrupted" if lease is not None and not lease["released"] else "paused"


class Lease(Core):
    """Holding a campaign, and saying how it ended."""

    @contextmanager
    def hold(self) -> Iterator[Self]:
        """Be the campaign's only engine for the length of the block.

        Call :meth:`beat` every few seconds within it. The block's time counts as the
        campaign's engine time.

        Raises:
            CampaignBusy: Another engine has it. Names host, process and last sign of life.
        """
        self._take()
        try:
            yield self
        except BaseException as error:
            try:
                self._release()
            except ArchiveError as second:
                error.add_note(str(second))
            raise
        else:
            self._release()
        finally:
            _HELD.discard(self._token or "")
            self._token = self._clock = self._clock_read = None

    def beat(self) -> None:
        """Say that the engine lives.

        Raises:
            CampaignBusy: It was silent too long, and another engine has taken over.
        """
        if self._token is None:
            raise ValueError("beat() belongs inside hold()")
        with self._writing() as connection:
            self._advance(connection)
            connection.execute(_BEAT, (time.time(), self._campaign, self._token))

    def finish(self, reason: str) -> None:
        """Say that the search has ended: a budget is spent, the target is reached."""
        self._end("finished", reason)

    def pause(self, reason: str) -> None:
        """Say that the search stops short of its end: on Ctrl-C, on an error, in an outage.

        Time does not count from here on, until :meth:`reopen`.
        """
        self._end("paused", reason)
        self._clock = self._clock_read = None

    def hold_back(self, reason: str) -> None:
        """Say that a person has paused it, likewise."""
        self._end("held", reason)
        self._clock = self._clock_read = None

    def reopen(self) -> None:
        """Take back :meth:`finish`, :meth:`pause` or :meth:`hold_back`."""
        self._end(None, "")
        if self._token is not None:
            self._clock = self._clock_read = time.monotonic()

    def held_back(self) -> str:
        """Who has paused it, if it was never continued; else empty."""
        with self._database.reading() as connection:
            progress = self._progress(connection)
        return progress["reason"] if progress["ended"] == "held" else ""

    def _end(self, ended: str | None, reason: str) -> None:
        reason = stored_text(reason, 2000)
        with self._writing() as connection:
            seq = self._advance(connection, facts=1).seq
            connection.execute(_END, (ended, reason, self._campaign))
            kind = "paused" if ended == "held" else ended or "reopened"
            self._event(connection, seq, kind, detail=reason)

    def _refuse_if_held_elsewhere(self, connection: sqlite3.Connection) -> None:
        row = connection.execute(_LEASE, (self._campaign,)).fetchone()
        other = holder(row)
        if other is not None and row["token"] != self._token:
            raise CampaignBusy(
                f"The campaign {self._identity.id} is being run by {other}, heard of "
                f"{max(0.0, time.time() - row['beat']):.0f} s ago. Wait for it, end it, or start "
                "another run of the campaign with --fresh."
            )

    def _take(self) -> None:
        if self._token is not None:
            raise ValueError("this engine holds the campaign already")
        process, token, now = Process.current(), secrets.token_hex(16), time.time()
        with self._database.writing() as connection:
            self._refuse_if_held_elsewhere(connection)
            seq = self._advance(connection, facts=1).seq
            connection.execute(
                _TAKE,
                {"campaign": self._campaign, "token": token, "beat": now, **process._asdict()},
            )
            connection.execute(_UNPAUSE, (self._campaign,))
            self._event(connection, seq, "started", detail=stored_text(str(process)))
        self._token = token
        _HELD.add(token)
        self._clock = self._clock_read = time.monotonic()

    def _release(self) -> None:
        try:
            with self._writing() as connection:
                seq = self._advance(connection, facts=1).seq
                connection.execute(_RELEASE, (self._campaign, self._token))
                self._event(connection, seq, "stopped")
        except CampaignBusy:
            # Taken over: the lease is the other engine's, and this one has been told.
            return
