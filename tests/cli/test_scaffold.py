from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from metasearch.campaign import OFFLINE_MODEL, CampaignFile
from metasearch.campaign_file import load_campaign
from metasearch.cli.scaffold import TEMPLATES
from metasearch.program import protected_text

Invoke = Callable[..., Result]


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_is_a_campaign_with_protected_text(
    invoke: Invoke, tmp_path: Path, template: str
) -> None:
    result = invoke("init", tmp_path / "mine", "--template", template)
    assert result.exit_code == 0
    assert f"metasearch run {tmp_path / 'mine'}" in result.stdout
    campaign = load_campaign(tmp_path / "mine")
    assert campaign.name == "mine"
    assert protected_text(campaign.seed_program)


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_settings_shown_as_comments_are_the_defaults(
    invoke: Invoke, tmp_path: Path, template: str
) -> None:
    invoke("init", tmp_path / "mine", "--template", template)
    text = (tmp_path / "mine" / "campaign.toml").read_text()
    written = CampaignFile.model_validate(tomllib.loads(text))
    shown = re.sub(r"(?m)^# (?=[a-z_]+ = )", "", text)
    shown = shown.replace('name = "..."', 'name = "mine"')
    full = CampaignFile.model_validate(tomllib.loads(shown))
    examples = {"name", "lanes", "models.default", "models.api_base", "evaluator.file"}
    examples |= {"agent.usd", "models.prompt_tokens"}
    examples |= {f"budget.{limit}" for limit in ("usd", "tokens", "minutes", "target")}
    assert full.models.default == OFFLINE_MODEL
    assert differing(written.model_dump(), full.model_dump()) == examples


def differing(one: dict[str, object], other: dict[str, object], prefix: str = "") -> set[str]:
    found = set()
    for key, value in one.items():
        twin = other[key]
        if isinstance(value, dict) and isinstance(twin, dict):
            found |= differing(value, twin, f"{prefix}{key}.")
        elif value != twin:
            found.add(prefix + key)
    return found


def test_nothing_is_overwritten(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("mine")
    result = invoke("init", tmp_path)
    assert result.exit_code == 2
    assert "already has program.py" in result.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["program.py"]
    assert (tmp_path / "program.py").read_text() == "mine"


def test_an_unknown_template_names_the_nearest(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("init", tmp_path / "mine", "--template", "formla")
    assert result.exit_code == 2
    assert "Did you mean 'formula'?" in result.stderr
    assert not (tmp_path / "mine").exists()


def test_json_names_the_next_commands(invoke: Invoke, tmp_path: Path) -> None:
    made = json.loads(invoke("init", tmp_path / "my own", "--json").stdout)
    assert made["next"][1] == f"metasearch run '{tmp_path / 'my own'}'"
