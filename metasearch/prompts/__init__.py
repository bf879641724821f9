"""What models are told: templates in files, and messages that give way part by part."""

from metasearch.prompts.draft import (
    Draft,
    Fitted,
    Part,
    estimated_tokens,
    extended,
    fit,
    inserted,
    shrinking,
)
from metasearch.prompts.templates import SUFFIX, Prompts, effective
from metasearch.prompts.texts import FEEDBACK_LIMIT, fence, shorten

__all__ = [
    "FEEDBACK_LIMIT",
    "SUFFIX",
    "Draft",
    "Fitted",
    "Part",
    "Prompts",
    "effective",
    "estimated_tokens",
    "extended",
    "fence",
    "fit",
    "inserted",
    "shorten",
    "shrinking",
]
