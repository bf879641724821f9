"""Prompt templates: Jinja2 files beside this one, ``NAME.md.j2``; a campaign may bring its own."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import ChoiceLoader, DictLoader, PackageLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from metasearch.errors import CampaignError

SUFFIX = ".md.j2"


class Prompts:
    """The templates of one campaign: its own, and ours for all that it does not bring."""

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
            trim_blocks=True,
            lstrip_blocks=True,
        )

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
