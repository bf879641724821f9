"""The distribution: one import root, all packages and data in it, links that resolve."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINKED = ("archive", "sandboxes", "web")


def packages_on_disk() -> set[str]:
    found = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for file in (ROOT / "metasearch").rglob("__init__.py")
    }
    for room in LINKED:
        for file in (ROOT / room).rglob("__init__.py"):
            found.add(".".join(("metasearch", *file.parent.relative_to(ROOT).parts)))
    return {package for package in found if "__pycache__" not in package}


def test_the_listed_packages_are_those_on_disk() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    listed = set(settings["packages"])
    assert packages_on_disk() <= listed
    for package in listed:
        room, _, rest = package.removeprefix("metasearch").lstrip(".").partition(".")
        folder = ROOT / room / rest.replace(".", "/") if room in LINKED else None
        folder = folder or ROOT / package.replace(".", "/")
        assert folder.is_dir(), package


def test_the_links_of_the_top_level_rooms_resolve() -> None:
    for room in LINKED:
        link = ROOT / "metasearch" / room
        assert link.is_symlink()
        assert link.resolve() == ROOT / room


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_wheel_and_sdist_hold_one_root_and_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    [sdist] = tmp_path.glob("*.tar.gz")
    assert sdist.stat().st_size > 0
    names = zipfile.ZipFile(wheel).namelist()
    roots = {name.split("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"metasearch"}
    web = ("templates/base.html", "static/app.css", "static/echarts-6.1.0/licenses/LICENSE-d3")
    for data in ("archive/schema.sql", "py.typed", *(f"web/{name}" for name in web)):
        assert f"metasearch/{data}" in names
    assert any(name.startswith("metasearch/cli/templates/") for name in names)
    # The wheel alone, unpacked, with this environment's libraries but not its source tree.
    unpacked = tmp_path / "unpacked"
    zipfile.ZipFile(wheel).extractall(unpacked)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import metasearch.archive as a; "
        "assert a.__file__.startswith(sys.argv[1]), a.__file__; "
        "from pathlib import Path; a.Archive.open(Path(sys.argv[2]), create=True).close()"
    )
    checked = subprocess.run(
        [sys.executable, "-c", code, str(unpacked), str(tmp_path / "archive.db")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
