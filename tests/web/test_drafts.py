"""The campaign file as a form and as a text, folders by their key, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from metasearch.archive import Archive
from metasearch.cli.scaffold import TEMPLATES, init
from metasearch.web import Workshop, create_app
from metasearch.web.drafts import changed, draft
from metasearch.web.workshop import digest
from tests.web.kit import Serve

SAYING = {"X-Metasearch": "1"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    init(root / "formula", "formula")
    return root


@pytest.fixture
def client(root: Path, tmp_path: Path, serve: Serve) -> Iterator[httpx.Client]:
    archive = tmp_path / "a.db"
    Archive.open(archive, create=True).close()
    with serve(archive, app=create_app(archive, None, Workshop(archive, [root], TEMPLATES))) as c:
        yield c


def test_a_field_changes_the_text_and_nothing_else(root: Path) -> None:
    text = (root / "formula" / "campaign.toml").read_text()
    after = changed(text, "budget.usd", "2.5")
    lines = [line for line in after.splitlines() if line not in text.splitlines()]
    assert lines == ["usd = 2.5"]
    now = draft(root / "formula", after)
    assert now.campaign is not None
    assert now.campaign.settings.budget.usd == 2.5
    assert now.values["budget.usd"] == "2.5"
    back = changed(after, "budget.usd", "")
    assert draft(root / "formula", back).values["budget.usd"] == ""
    assert changed("no = [toml", "budget.usd", "1") == "no = [toml"


def test_faults_have_their_field_and_line(root: Path) -> None:
    folder = root / "formula"
    text = "task = 'x'\n[objectives]\nscore = 'maximize'\n[budget]\nevaluations = 'many'\nfoo = 1\n"
    now = draft(folder, text)
    assert now.campaign is None
    assert [(fault.key, fault.line) for fault in now.faults] == [
        ("budget.evaluations", 5),
        ("budget.foo", 6),
    ]
    assert str(root) not in " ".join(fault.text for fault in now.faults)
    assert draft(folder, "task = x\n").faults[0].line == 1
    assert draft(folder, "seed = 1\n[objectives]\nscore = 'maximize'\n").faults[0].key == "task"


def test_only_listed_folders_are_reached(client: httpx.Client, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    init(outside, "formula")
    (root / "link").symlink_to(outside)
    assert "folder=0%2Flink" not in client.get("/new").text
    for key in ("0/../outside", "0/link", str(outside), "1/formula", "0//formula", "0/formula/.."):
        assert client.get("/new", params={"folder": key}).status_code == 404, key
        for action in ("draft", "check", "start"):
            asked = client.post(
                f"/new/{action}", params={"folder": key}, data={"text": "x"}, headers=SAYING
            )
            assert asked.status_code == 404, (key, action)
    assert client.get("/new", params={"folder": "0/formula"}).status_code == 200


def test_a_template_becomes_a_folder(client: httpx.Client, root: Path) -> None:
    form = {"template": "formula", "root": "0", "name": "mine"}
    made = client.post("/new", data=form, headers=SAYING)
    assert made.headers["HX-Redirect"] == "/new?folder=0%2Fmine"
    assert (root / "mine" / "campaign.toml").is_file()
    assert client.post("/new", data=form, headers=SAYING).status_code == 409
    for bad in ({"name": "../x"}, {"name": ""}, {"root": "7"}, {"root": "-1"}, {"template": "x"}):
        assert client.post("/new", data=form | bad, headers=SAYING).status_code == 422, bad
    assert sorted(path.name for path in root.iterdir()) == ["formula", "mine"]


def test_what_somebody_else_changed_is_not_overwritten(client: httpx.Client, root: Path) -> None:
    file = root / "formula" / "campaign.toml"
    text = file.read_text()
    file.write_text(text + "\n# by another hand\n")
    form = {"text": text + "\n# by the page\n", "known": digest(text)}
    refused = client.post("/new/check?folder=0/formula", data=form, headers=SAYING)
    assert refused.status_code == 409
    assert "changed elsewhere" in refused.text
    assert file.read_text() == text + "\n# by another hand\n"


def test_an_invalid_file_is_not_written(client: httpx.Client, root: Path) -> None:
    file = root / "formula" / "campaign.toml"
    text = file.read_text()
    form = {"text": "[budget]\nusd = 'x'\n<script>", "known": digest(text)}
    for action in ("check", "start"):
        told = client.post(f"/new/{action}?folder=0/formula", data=form, headers=SAYING)
        assert "not valid TOML" in told.text
        assert "<script>" not in told.text
    assert file.read_text() == text
