"""Asking language models: one client, one bill. The only room that knows litellm.

Importing this package imports no litellm; the first model that is checked or asked does.
"""

from metasearch.models.bandit import Arm
from metasearch.models.call import CUT, MAX_REPLY
from metasearch.models.client import ModelClient
from metasearch.models.endpoints import PROMPT_TOKENS
from metasearch.models.ensemble import Choices, Ensembles, learned
from metasearch.models.journal import Journal
from metasearch.models.ledger import Ledger, Reservation
from metasearch.models.memory_journal import MemoryJournal
from metasearch.models.redaction import Redactor, redact
from metasearch.models.replay import Recording, read_recording, source_of
from metasearch.models.retrying import Backoff

__all__ = [
    "CUT",
    "MAX_REPLY",
    "PROMPT_TOKENS",
    "Arm",
    "Backoff",
    "Choices",
    "Ensembles",
    "Journal",
    "Ledger",
    "MemoryJournal",
    "ModelClient",
    "Recording",
    "Redactor",
    "Reservation",
    "learned",
    "read_recording",
    "redact",
    "source_of",
]
