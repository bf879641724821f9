"""Whether a proposal is new enough to be measured.

What is known of earlier candidates stands in the archive as fingerprints, looked up by key,
so that a proposal costs the same in a small archive and in a large one and nothing has to be
built up when an engine starts. Neighbours are the candidates that were measured or wait for
it; rejected ones are none.
"""

from __future__ import annotations

import asyncio
import math
import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from metasearch.archive import CampaignArchive, Near
from metasearch.campaign import NoveltySection
from metasearch.engine.outage import Outage
from metasearch.engine.ports import Models
from metasearch.errors import RequestRefused
from metasearch.operators.identity import identity
from metasearch.program import Program

if TYPE_CHECKING:
    from metasearch.operators.novelty import Sketch

IDENTITY = f"identity/{sys.implementation.cache_tag}"
"""The kind of fingerprints by identity; another version of Python compiles to other code."""

NEWEST = 8
"""Candidates of one key that are looked at: what bounds the cost in a crowded neighbourhood."""
COMPARED = 4
"""Of those, the ones with the most keys in common that are compared in full."""

MOST_EMBEDDED = 24_000
"""Characters of a program that are sent to an embedding model; most take 8,000 tokens."""


@dataclass(frozen=True)
class Look:
    """What was found out about a proposal before it is compared."""

    program: Program
    identity: int | None
    """``None`` if the campaign goes by plain text."""
    sketch: Sketch | None = None
    """``None`` if the campaign has no threshold, the program is known already, or the embedding
    model refuses it."""
    vector: bytes | None = None
    """Its embedding, if that was bought."""


class Novelty:
    """Compares proposals with the candidates of one campaign, by its ``[novelty]``."""

    def __init__(
        self, settings: NoveltySection, archive: CampaignArchive, models: Models, outage: Outage
    ) -> None:
        self._settings = settings
        self._archive = archive
        self._models = models
        self._outage = outage
        self._rows = 0
        self._kind = ""
        if settings.threshold is not None:
            from metasearch.operators.novelty import rows_for

            self._rows = rows_for(settings.measure, settings.threshold)
            shingles = settings.measure == "shingles"
            named = settings.measure if shingles else f"embedding/{settings.embedding}"
            self._kind = f"{named}/{self._rows}"
        # Parents and elites are compared with again and again.
        self._local = lru_cache(maxsize=64)(self._sketch_of)

    async def catch_up(self) -> None:
        """Fingerprint what has none yet: the seed, and all of a run before it was asked for.

        Leaves the loop its turns, since an older run may have many candidates. Embeddings are
        not bought for these: they are then compared by identity alone.
        """
        if self._settings.normalise:
            for number in self._archive.without_fingerprint(IDENTITY):
                self._archive.add_fingerprint(number, IDENTITY, [identity(self._program(number))])
                await asyncio.sleep(0)
        if self._kind and not self._settings.buys_embeddings:
            for number in self._archive.without_fingerprint(self._kind):
                self._archive.add_fingerprint(number, self._kind, self._local(number).keys)

    async def look(self, program: Program, step: int, call: int) -> Look:
        """Find out what a comparison needs; asks the embedding model if it has to.

        Args:
            program: Of the proposal.
            step: That makes it.
            call: Counts the step's proposals from 0.
        """
        look = Look(program, identity(program) if self._settings.normalise else None)
        if self._settings.threshold is None or self._known(look) is not None:
            return look
        if not self._settings.buys_embeddings:
            return replace(look, sketch=self._sketched(program))
        text = "\n".join(f"### File: {path}\n{text}" for path, text in program.files.items())
        try:
            vector = await self._outage.sit_out(
                lambda: self._models.embed(
                    step=step,
                    call=-1 - call,  # below 0, so that it takes no place from the step's asks
                    model=self._settings.embedding,
                    text=text[:MOST_EMBEDDED],
                )
            )
        except RequestRefused:  # this one text: the program counts as new
            return look
        from metasearch.operators.novelty import stored

        kept = stored(vector)
        return replace(look, sketch=self._sketched(program, kept), vector=kept)

    def nearest(self, look: Look) -> Near | None:
        """The candidate that makes a proposal not worth measuring, if there is one."""
        known, threshold = self._known(look), self._settings.threshold
        if known is not None or look.sketch is None or threshold is None:
            return known
        found = []
        for number in self._archive.sharing(look.sketch.keys, NEWEST)[:COMPARED]:
            other = self._stored(number)
            if other is not None and (likeness := look.sketch.similarity(other)) >= threshold:
                found.append((likeness, -number))
        if not found:
            return None
        likeness, number = max(found)
        measure = self._settings.measure
        # Cut, not rounded: 0.9996 is not 1.
        shown = math.floor(min(likeness, 1.0) * 1000) / 1000
        reason = f"almost the same program as #{-number}: similarity {shown:g} by {measure}"
        return Near(-number, measure, min(likeness, 1.0), reason)

    def add(self, number: int, look: Look) -> None:
        """Make a new candidate a neighbour of those that come after it."""
        if look.identity is not None:
            self._archive.add_fingerprint(number, IDENTITY, [look.identity])
        if look.sketch is not None:
            self._archive.add_fingerprint(number, self._kind, look.sketch.keys, look.vector)

    def _known(self, look: Look) -> Near | None:
        twin = self._archive.twin(look.program)
        if twin is not None or look.identity is None:
            return twin
        alike = self._archive.sharing([look.identity], 1)
        if not alike:
            return None
        reason = (
            f"same program as #{alike[0]} but for formatting, comments, docstrings or names of "
            "local variables"
        )
        return Near(alike[0], "identity", 1.0, reason)

    def _stored(self, number: int) -> Sketch | None:
        """The sketch of an earlier candidate; ``None`` if its embedding was never bought."""
        if not self._settings.buys_embeddings:
            return self._local(number)
        vector = self._archive.vector(number, self._kind)
        if vector is None:
            return None
        return self._sketched(self._program(number), vector)

    def _sketch_of(self, number: int) -> Sketch:
        return self._sketched(self._program(number))

    def _sketched(self, program: Program, vector: bytes | None = None) -> Sketch:
        from metasearch.operators.novelty import sketch_of

        return sketch_of(program, self._settings.measure, self._rows, vector)

    def _program(self, number: int) -> Program:
        return self._archive.program(self._archive.candidate(number))
