"""Prompt templates: Jinja2 files beside this one, ``NAME.md.j2``; a campaign may bring its own."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from jinja2 import ChoiceLoader, DictLoader, PackageLoader, StrictUndefined, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from metasearch.errors import CampaignError
from metasearch.prompts.texts import fence, shorten

SUFFIX = ".md.j2"


class Prompts:
    """The templates of one campaign: its own, and ours for all that it does not bring.

    Besides Jinja2's own filters there are ``fence`` and ``shorten``.
    """

    def __init__(self, own: Mapping[str, str] | None = None) -> None:
        """Prepare.

        Args:
            own: Template name without suffix -> text; each takes the place of ours.
        """
        named = {name + SUFFIX: text for name, text in (own or {}).items()}
        self._environment = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader([DictLoader(named), PackageLoader("metasearch", "prompts")]),
            undefined=StrictUndefined,
            autoescape=False,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"fence": fence, "shorten": shorten}

    def render(self, name: str, /, **values: object) -> str:
        """Fill a template. Values are inserted as they are and never read as template.

        Raises:
            CampaignError: There is no such template, or it does not fit its values; names it.
        """
        try:
            return self._environment.get_template(name + SUFFIX).render(values).strip()
        except Exception as error:  # whatever a template of a campaign's own may do
            raise CampaignError(
                f"Prompt template {name!r}: {type(error).__name__}: {error}"
            ) from error

    def check(self, name: str) -> None:
        """Read a template without filling it.

        Raises:
            CampaignError: It is no valid template; with its line.
        """
        try:
            self._environment.get_template(name + SUFFIX)
        except TemplateSyntaxError as error:
            raise CampaignError(
                f"Prompt template {name!r}, line {error.lineno}: {error.message}"
            ) from None


@cache
def ours() -> Mapping[str, str]:
    """Our templates: name without suffix -> text."""
    found = (file for file in files("metasearch.prompts").iterdir() if file.name.endswith(SUFFIX))
    texts = {file.name.removesuffix(SUFFIX): file.read_text("utf-8") for file in found}
    return dict(sorted(texts.items()))


def effective(own: Mapping[str, str]) -> dict[str, str]:
    """All templates that a campaign is run with: ours, and its own in their place.

    Raises:
        CampaignError: One of its own has a name that no prompt goes by, or is no template.
    """
    prompts = Prompts(own)
    for name in own:
        if name not in ours():
            close = difflib.get_close_matches(name, ours(), n=1, cutoff=0.5)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(ours())}."
            raise CampaignError(f"There is no prompt template {name!r}. {hint}")
        prompts.check(name)
    return {**ours(), **own}


def digest(text: str) -> str:
    """What tells one version of a template from another: the beginning of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
