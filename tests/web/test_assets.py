"""Vendored files are what they claim, and no template asks for what the policy forbids."""

from __future__ import annotations

import gzip
import hashlib
import re
import tomllib
from pathlib import Path

import httpx
import pytest

import metasearch.web
from metasearch.web import assets
from tests.web.kit import VENDOR

WEB = Path(metasearch.web.__file__).parent
TEMPLATES = sorted((WEB / "templates").glob("*.html"))


@pytest.mark.parametrize(
    ("record", "folder"),
    [(WEB / "VENDORED.toml", WEB / "static"), (VENDOR / "VENDORED.toml", VENDOR)],
)
def test_vendored_files_are_as_recorded(record: Path, folder: Path) -> None:
    recorded = {}
    for package in tomllib.loads(record.read_text("utf-8"))["package"]:
        assert package["licence"]
        assert package["source"].startswith("https://registry.npmjs.org/")
        assert package["version"] in package["source"]
        for name, digest in package["sha256"].items():
            recorded[f"{package['name']}-{package['version']}/{name}"] = digest
    found = {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and file.parent != folder
    }
    assert found == recorded


def scripts_of(template: Path) -> set[Path]:
    """What a page loads: its own scripts, those of the template it extends, and their imports."""
    text = template.read_text("utf-8")
    loaded = set()
    for first, rest in re.findall(r"asset\('([^']+?)(\.js)?'", text):
        if rest:
            loaded.add(assets.FOLDER / f"{first}.js")
    for start in re.findall(r"asset\('(\w+)' ~", text):  # one of several, by what is shown
        loaded.add(max(assets.FOLDER.glob(f"{start}*.js"), key=lambda file: file.stat().st_size))
    waiting = list(loaded)
    while waiting:
        script = waiting.pop()
        if script.parent != assets.FOLDER:
            continue  # other people's files import nothing
        for name in re.findall(r'from "\./([^"]+)"', script.read_text("utf-8")):
            if (found := assets.FOLDER / name) not in loaded:
                loaded.add(found)
                waiting.append(found)
    for above in re.findall(r'{% extends "([^"]+)" %}', text):
        loaded |= scripts_of(template.parent / above)
    return loaded


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.stem)
def test_the_scripts_of_a_page_together_stay_small(template: Path) -> None:
    packed = {script: len(gzip.compress(script.read_bytes())) for script in scripts_of(template)}
    assert sum(packed.values()) < 390 * 1024, packed


def test_the_scripts_of_a_page_are_found() -> None:
    names = {script.name for script in scripts_of(WEB / "templates" / "campaign_lineage.html")}
    assert {"echarts.min.js", "htmx.min.js", "charts.js", "near.js", "theme.js"} <= names
    assert any(name.startswith("lineage_") for name in names)


@pytest.mark.slow
def test_assets_are_served_for_ever_under_their_version(client: httpx.Client) -> None:
    for name in ("app.css", "main.js", "htmx.org-4.0.1/htmx.min.js", "echarts-6.1.0/LICENSE"):
        file = assets.FOLDER / name
        for encoding in ("identity", "gzip"):
            answer = client.get(assets.address(name), headers={"Accept-Encoding": encoding})
            assert answer.content == file.read_bytes()
            assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/own-0000000000000000/app.css").status_code == 404


def test_a_file_that_is_not_there_is_a_bug() -> None:
    with pytest.raises(KeyError, match=r"no app\.csss"):
        assets.address("app.csss")


FORBIDDEN = {
    "inline style": r"""\sstyle\s*=|<style\b""",
    "inline handler": r"""\son[a-z]+\s*=""",
    "inline script": r"""<script(?![^>]*\bsrc=)""",
    "hx-on": r"""hx-on\b""",
    "evaluated values": r"""["'\s]js:|javascript:""",
    "trigger filter": r"""hx-trigger="[^"]*\[""",
    "unescaped text": r"""\|\s*safe\b|autoescape\s+false|Markup\(""",
    "another host": r"""(?:src|href|action|hx-get|hx-post)=["'](?:https?:)?//""",
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_template_has(template: Path, what: str) -> None:
    assert not re.findall(FORBIDDEN[what], template.read_text("utf-8"), re.IGNORECASE)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("inline style", '<p style="x">'),
        ("inline handler", "<p onclick='x'>"),
        ("inline script", "<script>x</script>"),
        ("hx-on", "<p hx-on:click='x'>"),
        ("evaluated values", 'hx-vals="js:{a: 1}"'),
        ("trigger filter", 'hx-trigger="click[x]"'),
        ("unescaped text", "{{ x | safe }}"),
        ("another host", '<img src="//evil.example">'),
    ],
)
def test_the_scan_finds(what: str, text: str) -> None:
    assert re.findall(FORBIDDEN[what], text, re.IGNORECASE)


def test_our_scripts_write_no_markup() -> None:
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\("
    for script in assets.FOLDER.glob("*.js"):
        assert not re.findall(markup, script.read_text("utf-8"))
