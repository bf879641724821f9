"""Prompt templates: a campaign's own take the place of ours, and what is inserted stays text."""

from __future__ import annotations

import pytest

from metasearch.errors import CampaignError
from metasearch.prompts import Prompts


def test_what_is_inserted_is_never_read_as_a_template() -> None:
    prompts = Prompts({"greet": "Hello {{ name }}!"})
    assert prompts.render("greet", name="{{ 1 + 1 }} {% raw %} <b>") == (
        "Hello {{ 1 + 1 }} {% raw %} <b>!"
    )


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("{{ nobody }}", "'mine'.*'nobody' is undefined"),
        ("{% if %}", "'mine': TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__ }}", "'mine': SecurityError"),
    ],
)
def test_a_template_that_does_not_fit_is_named_with_the_reason(template: str, pattern: str) -> None:
    with pytest.raises(CampaignError, match=pattern):
        Prompts({"mine": template}).render("mine")


def test_a_template_that_nobody_wrote_is_named() -> None:
    with pytest.raises(CampaignError, match="'no_such'"):
        Prompts().render("no_such")
