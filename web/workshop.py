"""Folders of campaigns on this machine, and the commands of metasearch that the server starts.

A folder is named by a request only by its key in :meth:`Workshop.folders`: no path of a request
reaches the file system. What is started are the same commands that people type. An engine is a
process of its own, which goes on when the server ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from metasearch.campaign_file import CAMPAIGN_FILE
from metasearch.web.errors import BadRequest, Conflict, NotFound

MAX_TEXT = 200_000
"""Characters of a campaign file that the page edits."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What a new folder may be called."""

_DEPTH = 2
_MANY = 300
"""Folders that are listed."""
_LOOKED_AT = 5_000
"""Folders that one listing looks into."""
_CHECK_SECONDS = 600.0
_SHORT_SECONDS = 60.0
"""For commands that only write files."""
_LOGS = 50
"""Logs that are kept beside an archive."""
_TAIL = 4_000
"""Characters of a log that a page shows."""
_SKIPPED = {"node_modules", "__pycache__", "venv"}


class Folder(NamedTuple):
    """A campaign's folder."""

    key: str
    """As requests name it: the place of its root, and the way from there."""
    label: str
    path: Path

    @property
    def file(self) -> Path:
        """Its campaign file."""
        return self.path / CAMPAIGN_FILE


class Job:
    """A command that was started, and what it prints."""

    def __init__(self, words: Sequence[str], log: Path, seconds: float | None) -> None:
        """Start it.

        Args:
            words: What comes after ``metasearch``.
            log: Where its output goes.
            seconds: How long it may take; ``None`` for an engine.
        """
        self.log = log
        self.begun = time.monotonic()
        self._seconds = seconds
        environment = {k: v for k, v in os.environ.items() if k != "METASEARCH_TOKEN"}
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "metasearch", *words],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=environment,
                start_new_session=True,  # a Ctrl-C for the server is not for it
            )

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def code(self) -> int | None:
        """Its exit code; ``None`` while it goes on."""
        code = self._process.poll()
        if code is None and self._seconds and time.monotonic() - self.begun > self._seconds:
            self.kill()
        return code

    def wait(self) -> int:
        """Its exit code, once it has ended or taken too long."""
        try:
            return self._process.wait(self._seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def kill(self) -> None:
        """End it, and what it has started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def output(self, most: int = _TAIL) -> str:
        """The end of what it has printed."""
        try:
            with self.log.open("rb") as stream:
                stream.seek(max(0, self.log.stat().st_size - 4 * most))
                return stream.read().decode(errors="replace")[-most:]
        except OSError:
            return ""


class Workshop:
    """The roots, and what was started in them since the server began."""

    def __init__(self, archive: Path, roots: Sequence[Path], templates: Mapping[str, str]) -> None:
        """Set up.

        Args:
            archive: Where engines keep their facts.
            roots: Folders that hold campaigns' folders.
            templates: Name -> what it is; those of ``metasearch init``.
        """
        self.archive = archive.absolute()
        self.roots = tuple(root.resolve() for root in roots)
        self.templates = dict(templates)
        self._engines: dict[Path, Job] = {}
        self._checks: dict[Path, Job] = {}
        self._lock = threading.Lock()
        self._scratch = tempfile.TemporaryDirectory(prefix="metasearch-web-")

    def close(self) -> None:
        """End checks; engines go on."""
        for job in self._checks.values():
            job.kill()
        self._scratch.cleanup()

    # -- folders ----------------------------------------------------------------------------

    def folders(self) -> list[Folder]:
        """All campaigns' folders below the roots, by name."""
        found: list[Folder] = []
        for place, root in enumerate(self.roots):
            for path in _campaigns_in(root):
                way = path.relative_to(root).as_posix()
                label = path.name if way == "." else way
                found.append(Folder(f"{place}/{way}", label, path))
        return sorted(found[:_MANY], key=lambda folder: folder.label)

    def folder(self, key: str) -> Folder:
        """The folder of a key.

        Raises:
            NotFound: None of the listing has it.
        """
        for folder in self.folders():
            if folder.key == key:
                return folder
        raise NotFound("There is no such folder of a campaign below the server's roots.")

    def folder_at(self, path: Path) -> Folder | None:
        """The folder at a path that the archive names, if it is below a root."""
        return next((folder for folder in self.folders() if folder.path == path), None)

    def make(self, root: int, name: str, template: str) -> Folder:
        """A new folder from a template.

        Raises:
            BadRequest: No such template or root, or the name cannot be one.
        """
        if template not in self.templates:
            raise BadRequest(f"template: there is {', '.join(self.templates)}.")
        target = self._new(root, name)
        self._carry_out(["init", str(target), "--template", template])
        return self._made(target)

    def branch(self, root: int, name: str, origin: str) -> Folder:
        """A new folder whose seed is a candidate of the archive, ``ID#NUMBER``."""
        target = self._new(root, name)
        self._carry_out(["branch", origin, str(target), "--archive", str(self.archive)])
        return self._made(target)

    def _new(self, root: int, name: str) -> Path:
        if not 0 <= root < len(self.roots):
            raise BadRequest(f"root: the server has {len(self.roots)}.")
        if not NAME.fullmatch(name):
            raise BadRequest(
                "name: letters, digits, '_', '.' and '-', 64 at most, a letter or digit first."
            )
        target = self.roots[root] / name
        if os.path.lexists(target):
            raise Conflict(f"name: {name} is there already; choose another.")
        return target

    def _made(self, target: Path) -> Folder:
        found = self.folder_at(target)
        if found is None:
            raise Conflict(f"{target.name} was made, but is not among the {_MANY} folders listed.")
        return found

    def _carry_out(self, words: Sequence[str]) -> None:
        job = self._job(words, "made", _SHORT_SECONDS)
        if job.wait():
            raise BadRequest(_error_of(job.output()))

    # -- the campaign file --------------------------------------------------------------------

    def text(self, folder: Folder) -> str:
        """The campaign file's text."""
        try:
            data = folder.file.read_bytes()
        except OSError:
            raise NotFound(f"{folder.label} has no {CAMPAIGN_FILE} any more.") from None
        if len(data) > MAX_TEXT:
            raise BadRequest(f"{folder.label}: {CAMPAIGN_FILE} is too large to be edited here.")
        return data.decode("utf-8", "replace")

    def save(self, folder: Folder, text: str, known: str) -> None:
        """Write the campaign file as a whole.

        Args:
            folder: Whose.
            text: What is to be in it.
            known: :func:`digest` of the text that the page began with.

        Raises:
            Conflict: Somebody else has changed the file since.
        """
        if len(text) > MAX_TEXT:
            raise BadRequest(f"A campaign file may have {MAX_TEXT:,} characters here.")
        with self._lock:
            now = self.text(folder)
            if now == text:
                return
            if digest(now) != known:
                raise Conflict(
                    f"{CAMPAIGN_FILE} was changed elsewhere since this page was opened. Copy what "
                    "you need, and open the folder again."
                )
            handle, name = tempfile.mkstemp(dir=folder.path, prefix=".campaign-")
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            Path(name).chmod(folder.file.stat().st_mode & 0o777)
            Path(name).replace(folder.file)

    # -- processes ----------------------------------------------------------------------------

    def check(self, folder: Folder) -> None:
        """Begin to evaluate the seed program, once."""
        with self._lock:
            going = self._checks.get(folder.path)
            if going is not None and going.code() is None:
                raise Conflict("This campaign is being checked already.")
            if sum(job.code() is None for job in self._checks.values()) >= 2:
                raise Conflict("Two checks are going on already; wait for one to end.")
            words = ["evaluate", str(folder.path), "--json"]
            self._checks[folder.path] = self._job(words, "check", _CHECK_SECONDS)

    def checked(self, folder: Folder) -> Job | None:
        """The latest check of a folder."""
        return self._checks.get(folder.path)

    def start(self, folder: Folder, *, fresh: bool) -> Job:
        """Start an engine: it continues the latest run of the campaign, or begins another.

        Raises:
            Conflict: One that was started here runs it already.
        """
        with self._lock:
            going = self._engines.get(folder.path)
            if going is not None and going.code() is None:
                raise Conflict(f"An engine runs {folder.label} already (process {going.pid}).")
            log = self._log(folder)
            words = ["run", str(folder.path), "--archive", str(self.archive), "--log", str(log)]
            job = Job([*words, "--fresh"] if fresh else words, log, None)
            self._engines[folder.path] = job
            return job

    def engine(self, folder: Folder) -> Job | None:
        """The latest engine that was started here."""
        return self._engines.get(folder.path)

    def _job(self, words: Sequence[str], kind: str, seconds: float) -> Job:
        handle, name = tempfile.mkstemp(dir=self._scratch.name, prefix=f"{kind}-")
        os.close(handle)
        return Job(words, Path(name), seconds)

    def _log(self, folder: Folder) -> Path:
        logs = self.archive.with_name(f"{self.archive.name}.logs")
        logs.mkdir(mode=0o700, exist_ok=True)
        for old in sorted(logs.glob("*.log"), key=lambda path: path.stat().st_mtime)[:-_LOGS]:
            old.unlink(missing_ok=True)
        now = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        return logs / f"{folder.path.name}-{now}-{time.monotonic_ns() % 10**6:06}.log"


def digest(text: str) -> str:
    """By which a page knows the text that it began with."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _campaigns_in(root: Path) -> list[Path]:
    """Folders with a campaign file, the root itself included; links are not followed."""
    found: list[Path] = []
    level = [root]
    looked = 0
    for depth in range(_DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            looked += 1
            if looked > _LOOKED_AT or len(found) >= _MANY:
                return found
            file = folder / CAMPAIGN_FILE
            if file.is_file() and not file.is_symlink():
                found.append(folder)
            elif depth < _DEPTH:
                below += _folders_in(folder)
        level = below
    return found


def _folders_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                Path(entry.path)
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
                and not entry.name.startswith(".")
                and entry.name not in _SKIPPED
            )
    except OSError:  # not ours to read, or gone since
        return []


def _error_of(output: str) -> str:
    """What a command said when it failed."""
    return output.strip().removeprefix("Error: ")[-1_000:] or "The command failed without a word."
