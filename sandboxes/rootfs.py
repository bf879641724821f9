"""What a sandbox sees of the host: the arguments that bubblewrap builds its root from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from metasearch.errors import PrerequisiteError
from metasearch.sandboxes.base import LeasedDevice
from metasearch.sandboxes.gpus import shown as gpus
from metasearch.sandboxes.runner.keeper import ROOM, USER

CODE = "/.metasearch"
"""Where the runner's code is found inside."""
OUTSIDE_USER = 65534
"""The host's ordinary user that candidates run as when metasearch runs as root. Never the
host's root, which many kernel settings trust even inside a namespace."""

PASSWD = b"".join(
    b"%b:x:%d:%d::/tmp:/bin/sh\n" % entry
    for entry in ((b"sandbox", USER, USER), (b"nobody", OUTSIDE_USER, OUTSIDE_USER))
)
GROUP = b"sandbox:x:%d:\nnogroup:x:%d:\n" % (USER, OUTSIDE_USER)

_DEVICES = ("null", "zero", "full", "random", "urandom")
_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "mime.types")
_ENTRY = (
    f"import sys; sys.path.insert(0, {CODE!r}); "
    "from metasearch.sandboxes.runner.parent import main; main()"
)
_TMP = "/tmp"  # noqa: S108
_IMPORTS = 64 * 1024**2
"""Bytes of temporary files that the imports of a warm parent may leave."""
_VAR_TMP = "/var/tmp"  # noqa: S108
HIDDEN = (_TMP, _VAR_TMP, "/var", "/etc", "/root", "/home")
OURS = ("/proc", "/sys", "/dev", ROOM, CODE)


def packages() -> list[str]:
    """The folders of installed packages that this interpreter uses."""
    names = ("site-packages", "dist-packages")
    return [path for path in sys.path if Path(path).name in names and Path(path).is_dir()]


def places_of(package: str) -> list[str]:
    """Where candidates would find an installed package: by import, or by its path."""
    known = {*map(Path, packages()), *Path("/usr").glob("lib/python3*/*-packages")}
    known |= {*Path("/usr").glob("local/lib/python3*/*-packages")}
    known |= {folder.resolve() for folder in known}
    places = [folder / name for folder in known for name in (package, f"{package}.py")]
    return sorted(str(place) for place in places if place.exists())


def interpreter() -> str:
    """The interpreter itself, behind the links of a virtual environment."""
    return str(Path(sys.executable).resolve())


def may_become_another() -> bool:
    """Whether this process is root, and so that it can turn into the candidates' user.

    Root of a user namespace that knows one user only, as in some containers, cannot. It has
    to go about it as ordinary users do.
    """
    if os.geteuid() != 0:
        return False
    if Path("/proc/self/setgroups").read_text().strip() != "allow":
        return False
    ranges = [
        map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines()
    ]
    return any(first <= OUTSIDE_USER < first + count for first, _, count in ranges)


def command(
    bubblewrap: str,
    *,
    as_root: bool,
    paths: Sequence[str],
    hidden: Sequence[str],
    devices: Sequence[LeasedDevice],
    threads: int,
    passwd: int,
    group: int,
    room: int | None,
) -> list[str]:
    """The bubblewrap command line up to the program to run.

    Args:
        bubblewrap: Path of its executable.
        as_root: Whether this process is the host's root, and so needs no user namespace.
        paths: Host paths to show inside.
        hidden: Host paths below those, or in the system, to leave empty.
        devices: GPUs to show inside.
        threads: How many threads numeric libraries may start.
        passwd: File descriptor that /etc/passwd is read from.
        group: File descriptor that /etc/group is read from.
        room: Size in bytes of the private file system, for a cold start; a warm parent's
            candidates get theirs later.
    """
    line = [bubblewrap, "--die-with-parent", "--as-pid-1", "--new-session", "--clearenv"]
    line += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    line += ["--unshare-cgroup-try", "--hostname", "sandbox"]
    if as_root:
        line += ["--cap-drop", "ALL"]
        for capability in ("SETUID", "SETGID", "SYS_ADMIN"):
            line += ["--cap-add", f"CAP_{capability}"]
    else:
        line += ["--unshare-user", "--uid", str(USER), "--gid", str(USER)]
    for name, value in (_path(), *environment(threads), *gpus.environment(devices)):
        line += ["--setenv", name, value]
    shown = _shown(paths)
    runner = f"{CODE}/metasearch/sandboxes"
    # Folders on the way would get their host's rights, which may keep others out.
    parents = {
        str(parent)
        for path in (*shown, runner, "/etc/x", _VAR_TMP)
        for parent in Path(path).parents
    }
    if room is not None and below_tmp(paths):
        line += ["--size", str(room), "--perms", "1777", "--tmpfs", _TMP]
        parents.discard(_TMP)
    for folder in sorted(parents - {"/"}):
        if not any(Path(folder).is_relative_to(path) for path in ("/usr", *shown)):
            line += ["--perms", "0755", "--dir", folder]
    line += _system()
    for path in shown:
        line += ["--ro-bind", path, path]
    for path in hidden:
        if any(Path(path).is_relative_to(folder) for folder in ("/usr", *shown)):
            line += _emptied(path)
    line += ["--ro-bind", str(Path(__file__).parent), runner]
    for descriptor, name in ((passwd, "passwd"), (group, "group")):
        line += ["--perms", "0644", "--ro-bind-data", str(descriptor), f"/etc/{name}"]
    line += ["--tmpfs", "/dev"]
    for name in _DEVICES:
        line += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for outside, inside in gpus.nodes(devices):
        line += ["--dev-bind", outside, inside]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        line += ["--symlink", f"/proc/self/fd/{number}", f"/dev/{name}"]
    line += ["--symlink", "/proc/self/fd", "/dev/fd", "--symlink", f"{ROOM}/shm", "/dev/shm"]  # noqa: S108
    line += ["--remount-ro", "/dev", "--proc", "/proc"]
    for name in (_TMP, _VAR_TMP):
        if not any(Path(path).is_relative_to(name) for path in shown):
            line += ["--symlink", ROOM + _TMP, name]
    if room is None:
        # Some packages want a folder for temporary files when they are imported. Candidates
        # mount their own room over this one.
        line += ["--size", str(_IMPORTS), "--perms", "1777", "--tmpfs", ROOM]
        line += ["--perms", "1777", "--dir", ROOM + _TMP]
    else:
        line += ["--size", str(room), "--perms", "1777", "--tmpfs", ROOM]
    # Whatever candidates could write to outside their own room would outlive them.
    return [*line, "--remount-ro", "/", "--chdir", "/"]


def _emptied(path: str) -> list[str]:
    """Covers a folder with an empty one, and a file with nothing."""
    if Path(path).is_dir():
        return ["--size", "4096", "--tmpfs", path, "--remount-ro", path]
    return ["--ro-bind", "/dev/null", path]


def below_tmp(paths: Sequence[str]) -> list[str]:
    """What is shown below /tmp, where a candidate also has files of its own."""
    return [path for path in _shown(paths) if Path(path).is_relative_to(_TMP)]


def python(control: int) -> list[str]:
    """The program to run inside: the runner, told the number of its socket."""
    # -S and -P: nothing of the host's site configuration runs before the root is closed.
    return [interpreter(), "-S", "-P", "-s", "-B", "-c", _ENTRY, str(control)]


def environment(threads: int) -> Iterator[tuple[str, str]]:
    """What every candidate's environment holds besides where programs are found."""
    yield "HOME", "/tmp"  # noqa: S108
    yield "USER", "sandbox"
    yield "LANG", "C.UTF-8"
    # Iteration order of sets is part of what a program computes: the same each time.
    yield "PYTHONHASHSEED", "0"
    # Also for commands, so that what they cannot do is said in words.
    yield "PYTHONPATH", f"{CODE}/metasearch/sandboxes/runner/public"
    yield "PYTHONDONTWRITEBYTECODE", "1"
    for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB"):
        yield f"{library}_NUM_THREADS", str(threads)


def _path() -> tuple[str, str]:
    own = [str(Path(prefix) / "bin") for prefix in dict.fromkeys((sys.prefix, sys.base_prefix))]
    return "PATH", ":".join([*own, "/usr/local/bin", "/usr/bin", "/bin"])


def _system() -> list[str]:
    line = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/") / name
        if path.is_symlink():
            line += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            line += ["--ro-bind", str(path), str(path)]
    for name in _ETC:
        line += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return line


def _shown(paths: Sequence[str]) -> list[str]:
    """The interpreter, its packages and the campaign's own paths; folders before contents."""
    needed = {sys.base_prefix, str(Path(interpreter()).parent.parent), *packages()}
    if (Path(sys.prefix) / "pyvenv.cfg").is_file():
        needed.add(sys.prefix)
    needed |= {str(Path(path).resolve()) for path in needed}
    for path in paths:
        if not Path(path).is_absolute() or not Path(path).exists():
            raise PrerequisiteError(
                f"sandbox.paths has {path!r}, which is not an existing absolute path."
            )
        if (
            Path(path) == Path("/")
            or path.rstrip("/") in HIDDEN
            or any(Path(path).is_relative_to(f) for f in OURS)
        ):
            raise PrerequisiteError(f"sandbox.paths has {path!r}, which cannot be shown inside.")
        needed.add(path)
    ours = [path for path in needed if not Path(path).is_relative_to("/usr") and path != "/"]
    return sorted(ours)
