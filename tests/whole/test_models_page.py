"""Every name, variable and price on docs/models.md is one that litellm knows."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from metasearch.campaign import ModelSection, Role
from metasearch.errors import ModelSetupError
from metasearch.models.loading import load
from metasearch.models.prices import freeze_prices
from metasearch.models.probe import key_names

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
SECTIONS = [part.split("\n", 1) for part in re.split(r"^## ", PAGE, flags=re.M)[1:]]
BLOCKS = [
    pytest.param(text, block, id=f"{title} {number}")
    for title, text in SECTIONS
    for number, block in enumerate(re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S))
]
UNPRICED = ("hosted_vllm/", "openai/my-model", "ollama_chat/")
"""Models of one's own."""


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_API_BASE", "_API_VERSION")) or name.startswith("AWS_"):
            monkeypatch.delenv(name)


def section(block: str) -> ModelSection:
    return ModelSection.model_validate(tomllib.loads(block)["models"])


def models_of(settings: ModelSection) -> set[str]:
    return {settings.model_for(role) for role in get_args(Role)}


def variables(text: str) -> list[str]:
    """The environment variables that a section names."""
    named = re.search(r"^Environment: (.*?)\n\n", text, re.M | re.S)
    return re.findall(r"`([A-Z][A-Z0-9_]+)`", named[1]) if named else []


def test_the_page_speaks_of_all_that_it_promises() -> None:
    titles = [title for title, _ in SECTIONS]
    for name in ("OpenAI", "Anthropic", "Gemini", "OpenRouter", "Azure", "Bedrock", "Ollama"):
        assert name in titles
    assert len(BLOCKS) >= 12


@pytest.mark.slow
@pytest.mark.parametrize(("text", "block"), BLOCKS)
async def test_the_names_resolve_with_the_variables_that_stand_there(
    monkeypatch: pytest.MonkeyPatch, text: str, block: str
) -> None:
    settings, provider = section(block), await load(offline=True)
    missing = set()
    for model in models_of(settings):
        try:
            provider.target(model, settings.api_base_of(model))
        except ModelSetupError as error:
            missing |= set(re.findall(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b", str(error)))
    named = variables(text)
    if named:
        assert missing <= set(named), "a variable that is needed is not on the page"
        for name in missing:
            monkeypatch.setenv(name, "set")
    else:
        for name in missing:
            assert name in PAGE
            monkeypatch.setenv(name, "set")
    for model in models_of(settings):
        target = provider.target(model, settings.api_base_of(model))
        assert target.provider == ("offline" if "offline" in model else model.split("/")[0])
        price = freeze_prices([model], settings.prices, provider)[model]
        assert price is not None or model.startswith(UNPRICED), model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "model"),
    [
        ("OpenAI", "openai/gpt-5-mini"),
        ("Anthropic", "anthropic/claude-sonnet-4-5"),
        ("Gemini", "gemini/gemini-2.5-flash"),
        ("OpenRouter", "openrouter/anthropic/claude-sonnet-4.5"),
    ],
)
async def test_each_variable_named_for_a_key_alone_is_enough(
    monkeypatch: pytest.MonkeyPatch, title: str, model: str
) -> None:
    provider = await load()
    for name in variables(dict(SECTIONS)[title]):
        assert name in key_names(model.split("/")[0])
        monkeypatch.setenv(name, "set")
        assert provider.target(model, None).model == model
        monkeypatch.delenv(name)
        with pytest.raises(ModelSetupError, match=name):
            provider.target(model, None)


@pytest.mark.slow
async def test_variables_of_other_providers_stand_in_litellms_code() -> None:
    import litellm

    root = Path(litellm.__file__).parent
    sources = [root / "main.py", root / "utils.py", *root.glob("llms/bedrock/*.py")]
    sources += [*root.glob("llms/hosted_vllm/**/*.py"), *root.glob("llms/azure/*.py")]
    code = "".join(file.read_text("utf-8") for file in sources)
    for _, text in SECTIONS:
        for name in variables(text):
            assert name in code, name
