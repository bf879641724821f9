"""What models are told: templates in files of their own, filled by strategies."""

from metasearch.prompts.templates import Prompts

__all__ = ["Prompts"]
