"""The reply to a call as the journal holds it, in one part or two."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from metasearch.exchange import Exchange, Message
from metasearch.models.journal import Journal
from metasearch.models.rest import find_parts, is_cut, whole
from metasearch.step import Reply

_log = logging.getLogger("metasearch.models")


@dataclass(frozen=True)
class StoredReply:
    """What is stored of a call's reply."""

    first: Reply | None
    """``None`` if the call was never answered."""
    reply: Reply | None
    """All of it; ``None`` if there is more to ask for."""


def find_stored(
    archive: Journal, step: int, call: int, asker: int | None, asked: tuple[Message, ...]
) -> StoredReply:
    """What is stored of the reply that these very messages were given."""
    answered = archive.answered(step, call, asker)
    begun, ended = find_parts(answered, asked)
    if begun is None:
        if answered:
            # A strategy that was edited since, or that depends on more than archive, seed and
            # step, asks another question now; so does a candidate whose threads race. The old
            # reply would be taken for an answer to it; it stays on record, and the new question
            # is asked under the same name.
            _log.warning("call %d of step %d asks something else than before", call, step)
        return StoredReply(None, None)
    first = _replayed(begun)
    if ended is not None:
        return StoredReply(first, whole(first, _replayed(ended)))
    return StoredReply(first, None if lacks_rest(first, asker) else first)


def lacks_rest(reply: Reply, asker: int | None) -> bool:
    """Whether a reply broke off. A candidate has said itself how long its replies may be."""
    return asker is None and is_cut(reply.text, reply.finish_reason)


def _replayed(stored: Exchange) -> Reply:
    return Reply(
        stored.reply, stored.usage, stored.finish_reason, replayed=True, model=stored.model
    )
